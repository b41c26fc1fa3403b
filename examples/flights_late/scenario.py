"""What `headrace demo flights` plays, and what people do in it: a forced release, and a week of half a review desk."""

import asyncio
from datetime import date
from pathlib import Path

from headrace import outside_team
from headrace.acts import Act, Stage

FIRST_DAY = date(2013, 3, 1)
LAST_DAY = date(2013, 12, 31)
USUAL_MONTHS = "3-6"
SIMULATED = False

FIT_DAY = date(2013, 4, 8)
FORCED_DAY = date(2013, 5, 6)
CUT_DAY = date(2013, 10, 7)
RESTORED_DAY = date(2013, 10, 14)
CAPACITY, CUT_CAPACITY = 200, 100


def acts(stage: Stage) -> dict[date, Act]:
    """In May a release forced past the gates; in October a week in which half of the desk is away."""
    scenario, use_case = stage.scenario, stage.scenario.contract.use_case
    fits: list[asyncio.Task[Path]] = []

    async def begin_fit() -> None:
        # Beside the replay: the other team's data are a file, and its own fit is nothing that our services wait for.
        as_of = scenario.midnight(FORCED_DAY)
        fit = outside_team.fit_elsewhere(scenario.contract, stage.use_case_dir, as_of, stage.seed, stage.workplace)
        fits.append(asyncio.create_task(fit))

    async def force() -> None:
        if not fits:
            await begin_fit()
        package = await fits.pop()
        reason = "the vendor's model looked better in their notebook"
        await outside_team.force_release(stage.registry, use_case, package, reason)

    begun: dict[date, Act] = {FIT_DAY: begin_fit} if FORCED_DAY in scenario.days else {}
    desk = {CUT_DAY: stage.limit_desk(CAPACITY, CUT_CAPACITY), RESTORED_DAY: stage.limit_desk(CAPACITY, CAPACITY)}
    return begun | {FORCED_DAY: force} | desk
