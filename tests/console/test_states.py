"""A use case is as well as the worst of its rules; what is silent is never well, and the page shows every rule."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from services.console.facts import Facts, facts_of
from services.console.handlers import on_use_case_applied
from services.console.reading import Pages
from services.console.states import ORDER, Standing, standing
from services.console.store import EventStore
from shared.events import KpiReported, ModelReleased
from tests.console.pages import read
from tests.console.world import DAY, FIRST, START, World, applied, released
from tests.feedback.contracts import flights_contract

LATE = timedelta(hours=24)
WEEKLY = flights_contract(reporting={"every": "week"})


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    made = World(tmp_path)
    yield made
    await made.close()


async def facts_at(world: World, now: datetime) -> Facts:
    async with world.db.read() as session:
        return facts_of("flights", now, await EventStore(session).list_events(before=now + timedelta(seconds=1)))


def stands(facts: Facts) -> Standing:
    return standing(facts, frozenset(), LATE)


def by_rule(found: Standing, words: str) -> str:
    (verdict,) = [one for one in found.verdicts if words in one.rule]
    return verdict.state


async def test_calm_days_are_well_and_days_without_a_case_are_silent(world: World) -> None:
    end = await world.live()
    facts = await facts_at(world, end)
    calm = [event for event in facts.events if not isinstance(event, ModelReleased) or event.sequence < 3]
    calm = [e.model_copy(update={"incidents": []}) if isinstance(e, KpiReported) else e for e in calm]
    found = stands(Facts("flights", end, calm))
    assert (found.state, {one.state for one in found.verdicts}) == ("well", {"well"})
    later = stands(Facts("flights", end + 5 * DAY, calm))
    assert (later.state, by_rule(later, "cases came within two days")) == ("silent", "silent")


async def test_outcomes_that_are_still_to_come_are_a_state_of_their_own() -> None:
    facts = Facts("flights", START + DAY, [applied(FIRST), released(1, "first", START), _unjudged()])
    assert stands(facts).state == "waiting"
    assert stands(Facts("flights", START, [applied(FIRST)])).state == "silent"


def _unjudged() -> KpiReported:
    from tests.console.test_sending import account

    return account("2013-03-01", mature=False, status="closed", labelled=0)


async def test_the_worst_rule_says_how_it_stands_and_the_page_shows_each(world: World) -> None:
    end = await world.live()
    found = stands(await facts_at(world, START + 14 * DAY))
    assert by_rule(found, "taken back") == "watch"
    assert found.state == "watch"
    page = read(await Pages(world.db, world.location).portfolio(end, LATE))
    for verdict in stands(await facts_at(world, end)).verdicts:
        assert verdict.found in page.text
    assert {number.target for number in page.numbers} <= page.sources.keys()
    assert page.numbers


async def test_an_overdue_report_is_trouble() -> None:
    facts = Facts("flights", START + 20 * DAY, [applied(WEEKLY), released(1, "first", START), _unjudged()])
    assert stands(facts).state == "trouble"


def test_nothing_is_better_than_well_and_silence_is_worse_than_waiting() -> None:
    assert ORDER.index("well") < ORDER.index("waiting") < ORDER.index("silent") < ORDER.index("trouble")


async def test_a_use_case_that_was_never_released_is_silent_and_owes_no_report(world: World) -> None:
    await world.db.create_tables()
    await on_use_case_applied(applied(WEEKLY), world.db, ())
    now = START + 40 * DAY
    found = stands(await facts_at(world, now))
    assert (found.state, {one.state for one in found.verdicts}) == ("silent", {"silent", "well"})
    page = read(await Pages(world.db, world.location).portfolio(now, LATE))
    assert "no model decides yet" in page.text
    # There is no report yet that its name could lead to.
    assert [named for tag, named in page.tags if tag == "a"] == []
