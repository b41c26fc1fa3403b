"""What a measured KPI of a contract must agree on with the rest of it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, get_args

from shared.contract.faults import Fault, rule
from shared.contract.kpis import Aggregation, Kpi

if TYPE_CHECKING:
    from shared.contract.schema import Contract

# Values are kept for this long in the monitor; a block that waits longer would never become evidence.
LONGEST_WAIT = timedelta(days=30)
_MEASURED = "aggregation: one of " + ", ".join(get_args(Aggregation))
# What the monitor computes itself, or asks rollbacks for by itself.
_TAKEN = frozenset(("cost_per_case", "activation", "error_rate", "auc", "brier", "log_loss", "accuracy", "mae", "rmse"))


@rule("kpis")
def a_measured_kpi_says_how(contract: Contract) -> Iterator[Fault]:
    for name, kpi in contract.kpis.items():
        path = ("kpis", name)
        if not kpi.measured:
            for key in ("unit", "mature_after"):
                if getattr(kpi, key) is not None:
                    yield Fault((*path, key), "only a measured KPI has it", _MEASURED, True)
            continue
        if kpi.unit is None:
            yield Fault(path, "`unit` is missing: every measurement must name the same", "unit: contacts")
        if kpi.against is not None:
            message = "what is measured cannot be paired: nobody knows it for another decision"
            yield Fault((*path, "against"), message, "ceiling, floor", True)
        if kpi.wait.delta > LONGEST_WAIT:
            yield Fault((*path, "mature_after"), f"{kpi.wait} is longer than values are kept", "at most 30d")


@rule("kpis", "decisions")
def a_measured_kpi_has_a_name_of_its_own(contract: Contract) -> Iterator[Fault]:
    decisions = contract.decisions or {}
    taken = _TAKEN | {f"{name}{plural}_per_day" for name in decisions for plural in ("", "s")}
    for name, kpi in contract.kpis.items():
        if kpi.measured and name in taken:
            yield Fault(("kpis", name), f"{name!r} is computed here and cannot be measured", "another name", True)


@rule("kpis", "rollback")
def a_rollback_on_what_is_measured_has_bounds(contract: Contract) -> Iterator[Fault]:
    for name in contract.rollback.on:
        kpi = contract.kpis.get(name)
        if kpi is not None and kpi.measured:
            yield from _bounds(name, kpi)


def _bounds(name: str, kpi: Kpi) -> Iterator[Fault]:
    if kpi.range is None:
        message = "`range` is missing: a rollback rests on it, and evidence needs the bounds of a block's number"
        yield Fault(("kpis", name), message, "range: [0, 5]")
        return
    low, high = kpi.range
    for key in ("ceiling", "floor"):
        limit = getattr(kpi, key)
        if limit is not None and not low < limit < high:
            message = f"{limit:g} is not inside the range: no evidence could ever show that it is broken"
            yield Fault(("kpis", name, key), message, f"above {low:g} and below {high:g}")
