"""The scripted acts of the demo: what people do in the year, on fixed days; nothing is scripted to a result."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from headrace import outside_team
from headrace.scenario import EXAMPLES, Scenario

FIT_DAY = date(2013, 4, 8)
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
    fits: list[asyncio.Task[Path]] = []

    async def begin_fit() -> None:
        # Beside the replay: the other team's data are a file, and its own fit is nothing that our services wait for.
        as_of = scenario.midnight(FORCED_DAY)
        fit = outside_team.fit_elsewhere(scenario.contract, EXAMPLES / use_case, as_of, seed, workplace)
        fits.append(asyncio.create_task(fit))

    async def force() -> None:
        if not fits:
            await begin_fit()
        package = await fits.pop()
        reason = "the vendor's model looked better in their notebook"
        await outside_team.force_release(registry, use_case, package, reason)

    async def cut() -> None:
        await outside_team.change_capacity(registry, scenario.contract_text, CAPACITY, CUT_CAPACITY)

    async def restore() -> None:
        await outside_team.change_capacity(registry, scenario.contract_text, CAPACITY, CAPACITY)

    begun: dict[date, Act] = {FIT_DAY: begin_fit} if FORCED_DAY in scenario.days else {}
    return Acts(begun | {FORCED_DAY: force, CUT_DAY: cut, RESTORED_DAY: restore})
