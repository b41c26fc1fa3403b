"""PURE: what is known of a use case from its lifecycle events, each heard once, at a time."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import TypeVar

from shared.contract.schema import Contract
from shared.events import Event, KpiReported, ModelReleased, ReportPublished, UseCaseApplied

E = TypeVar("E", bound=Event)


@dataclass(frozen=True)
class Period:
    """Blocks from the first to the last, itself included; a block is a calendar day, as 2013-03-04."""

    first: str
    last: str

    def __contains__(self, block: object) -> bool:
        return isinstance(block, str) and self.first <= block <= self.last

    @property
    def days(self) -> int:
        """How many calendar days that is."""
        return (date.fromisoformat(self.last) - date.fromisoformat(self.first)).days + 1

    @property
    def before(self) -> "Period":
        """The same length of time just before."""
        first = date.fromisoformat(self.first)
        return Period((first - timedelta(days=self.days)).isoformat(), (first - timedelta(days=1)).isoformat())


@dataclass(frozen=True)
class Facts:
    """The events of one use case up to `now`, in order of event time; its contract has been applied."""

    use_case: str
    now: datetime
    events: Sequence[Event]

    def of(self, kind: type[E]) -> list[E]:
        """Those of one kind."""
        return [event for event in self.events if isinstance(event, kind)]

    @cached_property
    def by_id(self) -> dict[str, Event]:
        """Event id -> event."""
        return {event.id: event for event in self.events}

    @cached_property
    def contracts(self) -> dict[str, Contract]:
        """Digest -> contract, in the order in which they came into force."""
        return {event.contract_digest: Contract.model_validate(event.contract) for event in self.of(UseCaseApplied)}

    @cached_property
    def contract(self) -> Contract:
        """The contract in force."""
        return self.contracts[self.of(UseCaseApplied)[-1].contract_digest]

    def revision_of(self, contract: Contract) -> int:
        """The newest revision under which a contract came into force."""
        return max(one.revision for one in self.of(UseCaseApplied) if one.contract_digest == contract.digest)

    @cached_property
    def reports(self) -> list[KpiReported]:
        """The newest report of each block and release, in block order."""
        return newest(self.of(KpiReported))

    @property
    def release(self) -> ModelReleased | None:
        """What is served."""
        return max(self.of(ModelReleased), key=lambda release: release.sequence, default=None)

    def within(self, period: Period) -> list[KpiReported]:
        """The newest reports of these blocks."""
        return [report for report in self.reports if report.block in period]

    def contracts_in(self, period: Period) -> dict[str, Contract]:
        """The contracts under which blocks of a period were decided, the newest last; else the one in force.

        Only those with the money of the newest: amounts of two currencies, or counted in other digits, have no sum.
        """
        used = [report.contract_digest for report in self.within(period) if report.contract_digest in self.contracts]
        newest = self.contracts[used[-1]] if used else self.contract
        if self.release and not (self.reports and period.last <= self.reports[-1].block):
            # What it decides after the last account stands in the tables already.
            used.append(self.release.contract_digest)
        found = {digest: one for digest, one in self.in_money_of(newest).items() if digest in used}
        found.pop(newest.digest, None)
        return found | {newest.digest: newest}

    def in_money_of(self, contract: Contract) -> dict[str, Contract]:
        """The contracts whose amounts can be added to those of one: the same currency, counted in the same digits."""
        money = contract.currency, contract.digits
        return {digest: one for digest, one in self.contracts.items() if (one.currency, one.digits) == money}

    def counted_by(self, period: Period) -> Contract:
        """The newest of them, in whose money a period is told."""
        return list(self.contracts_in(period).values())[-1]

    def in_other_money(self, period: Period) -> list[KpiReported]:
        """The newest reports of these blocks that no sum of theirs can hold."""
        counted = self.contracts_in(period)
        return [report for report in self.within(period) if report.contract_digest not in counted]

    def all_blocks(self) -> Period | None:
        """From the first block that was reported to the last."""
        return Period(self.reports[0].block, self.reports[-1].block) if self.reports else None

    def day_of(self, moment: datetime) -> str:
        """The calendar day of a moment where the use case lives."""
        return moment.astimezone(self.contract.zone).date().isoformat()


def newest(reports: Iterable[KpiReported]) -> list[KpiReported]:
    """The highest revision of each (block, release), in that order."""
    found: dict[tuple[str, int], KpiReported] = {}
    for report in reports:
        key = (report.block, report.release_sequence)
        if key not in found or report.revision > found[key].revision:
            found[key] = report
    return [found[key] for key in sorted(found)]


def facts_of(use_case: str, now: datetime, events: Iterable[Event]) -> Facts:
    """The facts of one use case from the events of any."""
    return Facts(use_case, now, [event for event in events if getattr(event, "use_case", None) == use_case])


def known_by(events: Iterable[Event], as_of: datetime) -> list[Event]:
    """Those of event time <= as_of; what the console itself said is not asked about."""
    return [event for event in events if event.time <= as_of and not isinstance(event, ReportPublished)]
