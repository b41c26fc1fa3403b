"""A KPI of the contract, computed here or measured by others: its limits, and how a block's number is made."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, get_args

from pydantic import Field

from shared.contract.durations import Duration, FixedDuration
from shared.contract.fields import Number, Positive, Range, Unit
from shared.contract.frozen import Frozen

Aggregation = Literal["mean", "sum", "count", "min", "max", "last", "median", "p90", "p95", "p99"]
Limit = Literal["floor", "ceiling"]
# A number of these lies among the values that it is made of, so a value outside the KPI's range is a mistake.
AMONG_ITS_VALUES = frozenset(get_args(Aggregation)) - {"sum", "count"}
USUAL_WAIT = Duration(1, "d")


class Kpi(Frozen):
    """A number with a limit, per block: paired, computed by the monitor, or measured by any service."""

    against: Literal["last_good", "without_model"] | None = Field(
        None, description="paired on the same rows with what the last good package, or no model, would have decided"
    )
    ceiling: Number | None = None
    floor: Number | None = None
    clip: Positive | None = Field(None, description="a paired difference per block is cut at ± this")
    range: Range | None = Field(None, description="measured: a rollback needs it, since evidence needs bounds")
    aggregation: Aggregation | None = Field(
        None, description="measured: what a block's number is of the values that `measurement_recorded` brings"
    )
    unit: Unit | None = Field(None, description="measured: the unit that every value must name")
    mature_after: FixedDuration | None = Field(
        None,
        description="measured: how long after a block's end its values are awaited before the block is evidence for a "
        f"rollback; {USUAL_WAIT} where nothing is said",
    )

    @property
    def measured(self) -> bool:
        """Whether its values come from outside, as `measurement_recorded`."""
        return self.aggregation is not None

    @property
    def wait(self) -> Duration:
        """How long after its end a block of a measured KPI enters evidence."""
        return self.mature_after or USUAL_WAIT

    def broken_by(self, value: float) -> Limit | None:
        """Which limit a block's number breaks."""
        if self.ceiling is not None and value > self.ceiling:
            return "ceiling"
        return "floor" if self.floor is not None and value < self.floor else None


def aggregate(how: Aggregation, values: Sequence[float]) -> float:
    """A block's number from at least one value, in order of time; the same for every order but for `last`.

    Quantiles are values that were measured: the smallest that is not below so large a share of all.

    >>> aggregate("mean", [0.1, 0.2, 0.6]), aggregate("p90", [3.0, 1.0, 2.0]), aggregate("median", [4.0, 1.0])
    (0.3, 3.0, 1.0)
    """
    return _NUMBERS[how](values)


def measurement_fault(kpis: Mapping[str, Kpi], name: str, value: float, unit: str) -> str | None:
    """Why a measurement cannot be counted, with the field and what is allowed; None where it can."""
    known = {each: kpi for each, kpi in kpis.items() if kpi.measured}
    kpi = known.get(name)
    if kpi is None:
        listed = ", ".join(known) or "none"
        return f"name: the contract has no measured KPI {name!r}; its measured KPIs: {listed}"
    if unit != kpi.unit:
        return f"unit: {name} is measured in {kpi.unit!r}, not in {unit!r}"
    if kpi.range and kpi.aggregation in AMONG_ITS_VALUES and not kpi.range[0] <= value <= kpi.range[1]:
        return f"value: {value:g} is outside the range of {name}, {kpi.range[0]:g} to {kpi.range[1]:g}"
    return None


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _quantile(hundredths: int) -> Callable[[Sequence[float]], float]:
    def pick(values: Sequence[float]) -> float:
        # Counted in integers: .9 times ten must not become eleven.
        return sorted(values)[-(-len(values) * hundredths // 100) - 1]

    return pick


_NUMBERS: Mapping[Aggregation, Callable[[Sequence[float]], float]] = {
    "mean": _mean,
    "sum": math.fsum,
    "count": lambda values: float(len(values)),
    "min": min,
    "max": max,
    "last": lambda values: values[-1],
    "median": _quantile(50),
    "p90": _quantile(90),
    "p95": _quantile(95),
    "p99": _quantile(99),
}
