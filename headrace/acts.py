"""The scripted acts of a demo: what people do in it, on fixed days; nothing is scripted to a result."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from operator import itemgetter
from pathlib import Path

from headrace import outside_team
from headrace.scenario import EXAMPLES, Scenario, script_of

Act = Callable[[], Awaitable[None]]


@dataclass(frozen=True)
class Acts:
    """What happens at the begin of a day, after its midnight, and at moments of it; the latter move the clock.

    A moment is a full hour: that is where requests are cut, so every case of the hour lies behind the act.
    """

    by_day: Mapping[date, Act]
    by_moment: Mapping[datetime, Act] = field(default_factory=dict)

    def between(self, begin: datetime, end: datetime) -> list[tuple[datetime, Act]]:
        """The acts behind `begin` and before `end`, in order."""
        return sorted(((at, act) for at, act in self.by_moment.items() if begin < at < end), key=itemgetter(0))

    async def of(self, day: date) -> bool:
        """Carry out the day's act; False when there is none."""
        act = self.by_day.get(day)
        if act is not None:
            await act()
        return act is not None


@dataclass(frozen=True)
class Stage:
    """Where acts take place: the scenario, the registry's address, the seed, and a folder to work in."""

    scenario: Scenario
    registry: str
    seed: int
    workplace: Path

    @property
    def use_case_dir(self) -> Path:
        """The folder of the use case, where its data and code are."""
        return EXAMPLES / self.scenario.contract.use_case

    def limit_desk(self, before: int, after: int) -> Act:
        """The act of its owner: the contract again, with `after` where it had a capacity of `before`."""

        async def limit() -> None:
            await outside_team.change_capacity(self.registry, self.scenario.contract_text, before, after)

        return limit

    def smaller_desk(self, decision: str, limit: int, reason: str) -> Act:
        """The act of the team behind a decision: today it takes at most so many."""

        async def smaller() -> None:
            use_case = self.scenario.contract.use_case
            await outside_team.lower_capacity(self.registry, use_case, decision, limit, reason)

        return smaller


def acts_of(stage: Stage) -> Acts:
    """What the use case's `scenario.py` has people do on a day, or at a time of it; nothing where it says nothing."""
    script = script_of(stage.scenario.contract.use_case)
    told: Mapping[date, Act] = script.acts(stage) if hasattr(script, "acts") else {}
    moments = {at: act for at, act in told.items() if isinstance(at, datetime)}
    return Acts({day: act for day, act in told.items() if day not in moments}, moments)
