"""`headrace value`: what a use case earned in a period, from its reports, held against the tables to the cent."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import polars as pl

from headrace.backtest import Past, read_past
from headrace.errors import CommandError
from headrace.pricing import with_money
from shared.contract import derive_policy
from shared.evaluation.period import PeriodValue, period_value
from shared.evaluation.reported import Reported
from shared.events import KpiReported
from shared.feedback.joined import joined
from shared.spine.settings import SpineSettings

_COLUMNS = ["release_sequence", "contract_digest", "scores", "decision"]


@dataclass(frozen=True)
class Reconciled:
    """The same money from both sides: cost and cost without a model, and the blocks where they differ."""

    reports_minor: int
    table_minor: int
    differing: tuple[str, ...]

    @property
    def same(self) -> bool:
        """Whether every block has the same money in its report and in the tables."""
        return not self.differing


@dataclass(frozen=True)
class Value:
    """What is shown."""

    period: PeriodValue
    check: Reconciled

    def to_json(self) -> dict[str, Any]:
        """For programs."""
        check = self.check
        told = {"reports_minor": check.reports_minor, "table_minor": check.table_minor, "same": check.same}
        return self.period.to_json() | {"reconciled": told | {"differing": list(check.differing)}}


def run(home: Path, use_case: str, first: date, last: date, as_of: datetime) -> Value:
    """The value of a period and its check; raises CommandError when nothing of it is reported."""
    past = asyncio.run(read_past(home, use_case))
    return make(past, use_case, first, last, as_of, SpineSettings(home=home).feedback_location)


def make(past: Past, use_case: str, first: date, last: date, as_of: datetime, location: str | Path) -> Value:
    """The same from what the topics say."""
    reports = [one for one in past.reports if first.isoformat() <= one.block <= last.isoformat()]
    if not reports:
        known = sorted(one.block for one in past.reports)
        said = f"blocks are reported from {known[0]} to {known[-1]}" if known else "no block is reported yet"
        raise CommandError(f"nothing to show from {first} to {last}: {said}")
    digits = [past.contracts[one.contract_digest].digits for one in reports]
    try:
        period = period_value(use_case, map(reported, reports), digits)
    except ValueError as error:
        raise CommandError(str(error)) from error
    rows = joined(location, use_case, as_of, {one.block for one in reports}, columns=_COLUMNS)
    return Value(period, reconcile(reports, rows, past))


def reported(event: KpiReported) -> Reported:
    """A report as the period reads it."""
    return Reported(event.block, event.release_sequence, event.contract_digest, event.model_dump())


def reconcile(reports: Iterable[KpiReported], rows: pl.DataFrame, past: Past) -> Reconciled:
    """Price every row of the tables by itself (no code of the monitor), and compare each block with its report.

    What came into the tables since the last report differs until the next one.
    """
    told: Counter[str] = Counter()
    for one in reports:
        told[one.block] += one.value_minor
    held = money_of(rows, past)
    blocks = sorted(told.keys() | held.keys())
    differing = tuple(block for block in blocks if told[block] != held.get(block, 0))
    return Reconciled(sum(told.values()), sum(held.values()), differing)


def money_of(rows: pl.DataFrame, past: Past) -> Mapping[str, int]:
    """Block -> value of its labelled rows, each under the contract that it was decided under."""
    found: Counter[str] = Counter()
    for (digest,), part in rows.group_by("contract_digest"):
        contract = past.contracts.get(str(digest))
        if contract is None:
            raise CommandError(f"the topic of contracts has no contract {digest}, which was in force")
        priced = with_money(part, derive_policy(contract))
        value = pl.col("without_minor") - pl.col("cost_minor")
        found.update(dict(priced.group_by("block").agg(value.sum()).iter_rows()))
    return found
