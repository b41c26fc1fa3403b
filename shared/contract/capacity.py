"""Blocks of event time, and how much of each capacity is left in one."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING

from shared.contract.policy import Policy
from shared.contract.shadow_price import Demand, wanted_per_day

if TYPE_CHECKING:
    from shared.contract.schema import Contract


def block_of(contract: Contract, event_time: datetime) -> str:
    """The block an event belongs to: its calendar day in the contract's time zone, "2013-03-01"."""
    if event_time.tzinfo is None:
        raise ValueError("an event time needs an offset")
    return event_time.astimezone(contract.zone).date().isoformat()


def block_bounds(contract: Contract, block: str) -> tuple[datetime, datetime]:
    """First moment of the block and of the next one, in UTC: 23, 24 or 25 hours apart.

    UTC, because Python compares and subtracts two times of the same zone by the clock on the wall.
    """
    day = date.fromisoformat(block)
    starts = (datetime.combine(one, time(), contract.zone) for one in (day, day + timedelta(days=1)))
    first, following = (start.astimezone(UTC) for start in starts)
    return first, following


def next_block(block: str) -> str:
    """The block after this one.

    >>> next_block("2013-12-31")
    '2014-01-01'
    """
    return (date.fromisoformat(block) + timedelta(days=1)).isoformat()


def mean_demand(policy: Policy, demand: Demand) -> dict[str, float]:
    """Mean rows per day that want each decision under the policy's prices, before the hard cap."""
    if policy.task == "regression":
        return {}
    prices = [rule.shadow_price for rule in policy.rules]
    wanted = wanted_per_day([rule.costs for rule in policy.rules], prices, demand)
    return {rule.name: count for rule, count in zip(policy.rules, wanted, strict=True)}
