"""PURE: what an average day looks like under a policy: decisions, demand on capacities, value."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from services.registry.measure import Row, count_money
from shared.contract import Policy


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
