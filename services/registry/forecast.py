"""PURE: what an average day looks like under a policy: decisions, demand on capacities, value."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from shared.contract import Policy
from shared.evaluation.out_of_sample import Row, count_money


@dataclass(frozen=True)
class Forecast:
    """Means per block over a package's out-of-sample rows; an estimate, never part of a realised sum."""

    blocks: int
    volume_per_day: float
    decisions_per_day: Mapping[str, float]
    reviews_per_day: Mapping[str, float]
    value_per_day_minor: int
    currency: str
    minor_digits: int

    def to_json(self) -> dict[str, Any]:
        """As the API shows it."""
        return asdict(self)


def forecast(policy: Policy, rows: Sequence[Row]) -> Forecast:
    """The forecast for these rows, in event order; `reviews_per_day` counts the decisions that have a capacity."""
    counted = count_money(policy, rows)
    days = max(counted.blocks, 1)
    decisions = {name: round(float(count / days), 2) for name, count in counted.decisions.items()}
    return Forecast(
        blocks=counted.blocks,
        volume_per_day=round(counted.volume / days, 2),
        decisions_per_day=decisions,
        reviews_per_day={name: decisions.get(name, 0.0) for name in policy.limits},
        value_per_day_minor=round(counted.value / days),
        currency=policy.currency,
        minor_digits=policy.minor_digits,
    )


def describe_change(told: Mapping[str, Any]) -> str:
    """A forecast before and after, as `use_case_applied` carries it, in a sentence for the ledger.

    >>> day = {"value_per_day_minor": 1200, "reviews_per_day": {"review": 40.0}, "currency": "EUR"}
    >>> describe_change({"before": day, "after": day | {"value_per_day_minor": 900}})
    'forecast per day: value 1200 → 900 minor units of EUR, review 40 → 40'
    """
    before, after = told["before"], told["after"]
    reviews = [
        f", {name} {before['reviews_per_day'].get(name, 0.0):g} → {count:g}"
        for name, count in after["reviews_per_day"].items()
    ]
    value = f"{before['value_per_day_minor']} → {after['value_per_day_minor']} minor units of {after['currency']}"
    return f"forecast per day: value {value}{''.join(reviews)}"
