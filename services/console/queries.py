"""PURE: the SQL behind each number of a report. Names in it come from contracts, which allow nothing but words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from services.console.facts import Period
from services.console.prices import case, countable, names
from shared.contract.policy import Policy, derive_policy
from shared.contract.schema import Contract


@dataclass(frozen=True)
class Queries:
    """Questions about one use case in one period; `contracts` are those in force in it, by digest.

    `only`: others were in force too, whose money is another.
    """

    use_case: str
    period: Period
    contracts: Mapping[str, Contract]
    only: bool = False

    @property
    def newest(self) -> Contract:
        """In whose money everything is told."""
        return list(self.contracts.values())[-1]

    @property
    def _where(self) -> str:
        days = f"block between '{self.period.first}' and '{self.period.last}'"
        return f"where use_case = '{self.use_case}' and {days}{self._under_these}"

    @property
    def _under_these(self) -> str:
        return f" and contract_digest in ({names(list(self.contracts))})" if self.only else ""

    @property
    def _policies(self) -> dict[str, Policy]:
        return {digest: derive_policy(contract) for digest, contract in self.contracts.items()}

    @property
    def priced_by_rows(self) -> bool:
        """Whether each row's cost can be looked up; an estimate that misses is priced by the monitor, row by row."""
        return all(policy.task != "regression" for policy in self._policies.values())

    @property
    def _labelled(self) -> str:
        """Outcomes that this use case can have, after decisions that it knows; by contract, where they differ."""
        known = {digest: countable(policy) for digest, policy in self._policies.items()}
        if len(set(known.values())) == 1:
            return next(iter(known.values()))
        each = (f"contract_digest = '{digest}' and {one}" for digest, one in known.items())
        return f"({' or '.join(each)})"

    def volume(self) -> str:
        return f"select count(*) from joined {self._where}"

    def days_without_a_case(self) -> str:
        """Whatever the terms were on them."""
        days = f"block between '{self.period.first}' and '{self.period.last}'"
        return (
            f"select {self.period.days} - count(distinct block) from joined where use_case = '{self.use_case}' "
            f"and {days}"
        )

    def days_with_incidents(self) -> str:
        return f"select count(distinct block) from reports {self._where} and incidents > 0"

    def labelled(self) -> str:
        return f"select count(*) from joined {self._where} and {self._labelled}"

    def decided(self, decision: str) -> str:
        return f"{self.volume()} and decision = '{decision}'"

    def for_want_of_places(self) -> str:
        """Cases that got the next best decision."""
        return f"{self.volume()} and reason = 'capacity'"

    def unreadable(self) -> str:
        """Cases that were decided without the model, since something in them could not be."""
        return f"{self.volume()} and reason = 'flagged'"

    def never_seen(self, seen_after: Sequence[str]) -> str:
        return f"{self.volume()} and decision not in ({names(seen_after)}) and arm != 'audit'"

    def cost(self) -> str:
        return self._sum(self._cost(), "cost_minor")

    def cost_without_model(self) -> str:
        return self._sum(self._without(), "cost_without_model_minor")

    def value(self) -> str:
        return self._sum(f"{self._without()} - {self._cost()}", "value_minor")

    def accounts(self) -> str:
        """The same from the accounts of the days."""
        return f"select sum(value_minor) from reports {self._where}"

    def promised_days(self) -> str:
        """Judged days with a promise: the model that decided had said what it should save."""
        return f"select count(*) from ({self.promised_by_day()})"

    def promised(self, what: str) -> str:
        """`what` of day_value and day_promise, over those days."""
        return f"select sum({what}) from ({self.promised_by_day()})"

    def promised_margin(self, times: float) -> str:
        """As `margin`, of the difference."""
        return _half(times, "day_value - day_promise", self.promised_by_day())

    def promised_by_day(self) -> str:
        return (
            "select block, sum(forecast_minor) as day_promise, sum(value_minor) as day_value from reports "
            f"{self._where} and status != 'closed' and forecast_minor is not null group by block order by block"
        )

    def unpromised_days(self) -> str:
        by_day = (
            f"select block, count(forecast_minor) as promises from reports {self._where} and status != 'closed' "
            "group by block"
        )
        return f"select count(*) from ({by_day}) where promises = 0"

    def bound_days(self, what: str) -> str:
        return f"select count(distinct block) from bound {self._where} and what = '{what}'"

    def judged_days(self) -> str:
        return f"select count(*) from ({self._judged_by_day()})"

    def judged_value(self) -> str:
        return f"select sum(day_value) from ({self._judged_by_day()})"

    def margin(self, times: float) -> str:
        """Half of a plain interval of the sum: `times` standard deviations of a day, times the root of the days."""
        return _half(times, "day_value", self._judged_by_day())

    def _judged_by_day(self) -> str:
        return (
            f"select block, sum(value_minor) as day_value from reports {self._where} and status != 'closed' "
            "group by block"
        )

    def value_by_day(self) -> str:
        by_day = "group by block order by block"
        if not self.priced_by_rows:
            return f"select block, sum(value_minor) as day_value from reports {self._where} {by_day}"
        value = f"sum({self._without()} - {self._cost()}) as day_value"
        return f"select block, {value} from joined {self._where} and {self._labelled} {by_day}"

    def days(self) -> str:
        return f"select count(*) from ({self.value_by_day()})"

    def losing_days(self) -> str:
        return f"{self.days()} where day_value < 0"

    def cost_per_case(self, digits: int) -> str:
        return self._per_case(self._cost(), "cost_minor", digits)

    def cost_per_case_without(self, digits: int) -> str:
        return self._per_case(self._without(), "cost_without_model_minor", digits)

    def days_above_cost(self, ceiling: float, digits: int) -> str:
        unit = 10.0**digits
        return f"select count(*) from ({self._cost_by_day(unit)}) where cost_per_case > {ceiling!r}"

    def used_by_day(self, decision: str) -> str:
        return (
            f"select block, sum(used) as used, max(places) as places from capacity {self._where} "
            f"and decision = '{decision}' group by block order by block"
        )

    def used(self, decision: str, how: str) -> str:
        """`how`: avg, max or min of the days."""
        return f"select {how}(used) from ({self.used_by_day(decision)})"

    def places(self, decision: str, how: str) -> str:
        """`how`: max or min of the days; a team may have lowered them, and so may the terms."""
        return f"select {how}(places) from ({self.used_by_day(decision)})"

    def full_days(self, decision: str) -> str:
        return f"select count(*) from ({self.used_by_day(decision)}) where used >= places"

    def days_over(self, decision: str) -> str:
        return f"select count(*) from ({self.used_by_day(decision)}) where used > places"

    def capacity_days(self, decision: str) -> str:
        return f"select count(*) from ({self.used_by_day(decision)})"

    def measured(self, name: str) -> str:
        return f"select avg(value) from measured {self._where} and name = '{name}'"

    def measured_by_day(self, name: str) -> str:
        return (
            f"select block, avg(value) as value from measured {self._where} and name = '{name}' "
            "group by block order by block"
        )

    def measured_outside(self, name: str, test: str) -> str:
        """Days on which it broke its limit; `test` as "> 0.45"."""
        return f"select count(*) from ({self.measured_by_day(name)}) where value {test}"

    def per_day_max(self, decision: str) -> str:
        by_day = f"select block, count(*) as n from joined {self._where} and decision = '{decision}' group by block"
        return f"select max(n) from ({by_day})"

    def per_day_above(self, decision: str, ceiling: float) -> str:
        by_day = f"select block, count(*) as n from joined {self._where} and decision = '{decision}' group by block"
        return f"select count(*) from ({by_day}) where n > {ceiling!r}"

    def term(self, name: str, revision: int) -> str:
        """A number that stands in the contract."""
        return (
            f"select value from contracts where use_case = '{self.use_case}' and revision = {revision} "
            f"and term = '{name}'"
        )

    def awaiting(self) -> str:
        return f"select sum(awaiting) from reports {self._where}"

    def given_up(self) -> str:
        return f"select sum(given_up) from reports {self._where}"

    def judged(self, what: str) -> str:
        """Of the last 28 accounts that can be judged: `what` of them."""
        return (
            f"select {what} from (select block, value_minor from reports where use_case = '{self.use_case}' "
            f"and mature{self._under_these} order by block desc, release_sequence desc limit 28)"
        )

    def _sum(self, case: str, column: str) -> str:
        if not self.priced_by_rows:
            return f"select sum({column}) from reports {self._where}"
        return f"select sum({case}) from joined {self._where} and {self._labelled}"

    def _per_case(self, case: str, column: str, digits: int) -> str:
        unit = 10.0**digits
        if not self.priced_by_rows:
            return f"select sum({column}) / nullif(sum(labelled), 0) / {unit!r} from reports {self._where}"
        return f"select sum({case}) / count(*) / {unit!r} from joined {self._where} and {self._labelled}"

    def _cost_by_day(self, unit: float) -> str:
        if not self.priced_by_rows:
            per_case = f"sum(cost_minor) / sum(labelled) / {unit!r} as cost_per_case"
            return f"select block, {per_case} from reports {self._where} and labelled > 0 group by block"
        per_case = f"sum({self._cost()}) / count(*) / {unit!r} as cost_per_case"
        return f"select block, {per_case} from joined {self._where} and {self._labelled} group by block"

    def _cost(self) -> str:
        """Minor units of what was decided, as a CASE over decision and outcome (and contract, where costs differ)."""
        return case({digest: policy.cost_by_class for digest, policy in self._policies.items()})

    def _without(self) -> str:
        tables = {
            digest: dict.fromkeys(policy.decisions, policy.cost_by_class.get(policy.without_model, {}))
            for digest, policy in self._policies.items()
        }
        return case(tables)


def _half(times: float, what: str, days: str) -> str:
    half = f"{times!r} * stddev({what}) * sqrt(count(*))"
    return f"select cast(round({half}, 0) as bigint) from ({days})"
