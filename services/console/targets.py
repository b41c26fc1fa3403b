"""Holds what was measured against the limits that the contract sets."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from services.console.figures import Asker, Figure, Series
from services.console.queries import Queries
from services.console.words import count, decimal, number, plain
from shared.contract.kpis import Kpi
from shared.contract.schema import Contract


@dataclass(frozen=True)
class Target:
    """One limit: what is limited, what was measured, the limit, on how many days it was broken."""

    what: str
    measured: Figure
    most: Figure | None
    least: Figure | None
    broken: Figure | None
    by_day: Series | None = None

    @property
    def kept(self) -> bool | None:
        """Whether the measured number keeps to its limits; None where nothing was measured."""
        if self.measured.value is None:
            return None
        above = self.most is not None and self.most.value is not None and self.measured.value > self.most.value
        below = self.least is not None and self.least.value is not None and self.measured.value < self.least.value
        return not (above or below)


def targets(contract: Contract, queries: Queries, revision: int, asker: Asker) -> Sequence[Target]:
    """One for each KPI with a ceiling or a floor; what is compared with another model is told with what changed."""
    return [
        _target(name, kpi, contract, queries, revision, asker)
        for name, kpi in contract.kpis.items()
        if kpi.against is None and (kpi.ceiling is not None or kpi.floor is not None)
    ]


def _target(name: str, kpi: Kpi, contract: Contract, queries: Queries, revision: int, asker: Asker) -> Target:
    measured, broken = _measure(name, kpi, contract, queries, asker)
    words = plain(name)

    def limit(what: str, term: str, value: float | None) -> Figure | None:
        sql = queries.term(f"kpis.{name}.{term}", revision)
        return None if value is None else asker.one(f"the {what} that “{words}” may be", sql, number)

    by_itself = name != "cost_per_case" and _counted(name, contract) is None
    by_day = asker.rows(f"{words}, day by day", queries.measured_by_day(name)) if by_itself else None
    most, least = limit("most", "ceiling", kpi.ceiling), limit("least", "floor", kpi.floor)
    return Target(_words(name, contract), measured, most, least, broken, by_day)


def _words(name: str, contract: Contract) -> str:
    if name == "cost_per_case":
        return f"cost of a case, in {contract.currency}"
    if _counted(name, contract):
        return f"{plain(name)}, on the busiest day"
    unit = getattr(contract.kpis[name], "unit", None)
    return f"{plain(name)}, in {unit}" if unit else plain(name)


def _counted(name: str, contract: Contract) -> str | None:
    """The decision that a KPI such as `reviews_per_day` counts."""
    return next((one for one in contract.decisions or {} if name in (f"{one}_per_day", f"{one}s_per_day")), None)


def _measure(name: str, kpi: Kpi, contract: Contract, queries: Queries, asker: Asker) -> tuple[Figure, Figure | None]:
    words = plain(name)
    broken = f"days on which “{words}” broke its limit"
    if name == "cost_per_case":
        form = partial(decimal, digits=contract.digits + 1)
        measured = asker.one("cost of a case", queries.cost_per_case(contract.digits), form)
        if kpi.ceiling is None:
            return measured, None
        return measured, asker.one(broken, queries.days_above_cost(kpi.ceiling, contract.digits), count)
    if decision := _counted(name, contract):
        most = asker.one(f"{words}, on the busiest day", queries.per_day_max(decision), count)
        if kpi.ceiling is None:
            return most, None
        return most, asker.one(broken, queries.per_day_above(decision, kpi.ceiling), count)
    measured = asker.one(f"{words}, mean of the days", queries.measured(name), number)
    test = f"> {kpi.ceiling!r}" if kpi.ceiling is not None else f"< {kpi.floor!r}"
    return measured, asker.one(broken, queries.measured_outside(name, test), count)
