"""The scripted acts of a demo: what people do in it, on fixed days; nothing is scripted to a result."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from headrace import outside_team
from headrace.scenario import EXAMPLES, Scenario, script_of

Act = Callable[[], Awaitable[None]]


@dataclass(frozen=True)
class Acts:
    """What happens at the begin of a day, after its midnight."""

    by_day: dict[date, Act]

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


def acts_of(stage: Stage) -> Acts:
    """What the use case's `scenario.py` has people do; nothing where it says nothing."""
    script = script_of(stage.scenario.contract.use_case)
    return Acts(script.acts(stage) if hasattr(script, "acts") else {})
