"""The scripted acts of the demo: what people do in the year, on fixed days; nothing is scripted to a result."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from headrace import outside_team
from headrace.scenario import EXAMPLES, Scenario

FORCED_DAY = date(2013, 5, 6)
CUT_DAY = date(2013, 10, 7)
RESTORED_DAY = date(2013, 10, 14)
CAPACITY, CUT_CAPACITY = 200, 100

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


def flights_acts(scenario: Scenario, registry: str, seed: int, workplace: Path) -> Acts:
    """In May a release forced past the gates; in October a week in which half of the desk is away."""
    use_case = scenario.contract.use_case

    async def force() -> None:
        package = await outside_team.fit_elsewhere(
            scenario.contract, EXAMPLES / use_case, scenario.midnight(FORCED_DAY), seed, workplace
        )
        reason = "the vendor's model looked better in their notebook"
        await outside_team.force_release(registry, use_case, package, reason)

    async def cut() -> None:
        await outside_team.change_capacity(registry, scenario.contract_text, CAPACITY, CUT_CAPACITY)

    async def restore() -> None:
        await outside_team.change_capacity(registry, scenario.contract_text, CAPACITY, CAPACITY)

    return Acts({FORCED_DAY: force, CUT_DAY: cut, RESTORED_DAY: restore})
