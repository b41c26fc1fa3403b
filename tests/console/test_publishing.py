"""Reports go out by themselves at steps of the clock: one for each period, the same whenever it is asked for."""

from collections.abc import AsyncIterator
from datetime import date, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from services.console.handlers import keep, on_use_case_applied
from services.console.publishing import Publishing
from services.console.schedule import period_around
from services.console.store import ReportStore
from services.console.tables import NoticeRow
from shared.events import ReportPublished, from_record
from shared.spine.outbox import OutboxRow
from tests.console.pages import read
from tests.console.test_sending import account
from tests.console.world import DAY, SECOND, START, World, applied, released
from tests.feedback.contracts import flights_contract

WEEKLY = flights_contract(reporting={"every": "week"}, decisions=SECOND.to_json()["decisions"])
# Monday 4 to Sunday 10 March; its last day can be judged two days later.
DUE = START.replace(day=13)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    made = World(tmp_path)
    await made.live()
    await on_use_case_applied(applied(WEEKLY, 3, START + 3 * DAY), made.db, ())
    yield made
    await made.close()


def publishing(world: World, targets: tuple[str, ...] = ()) -> Publishing:
    return Publishing(world.db, world.location, targets, timedelta(hours=24))


async def published(world: World) -> list[ReportPublished]:
    async with world.db.read() as session:
        rows = list(await session.scalars(select(OutboxRow).order_by(OutboxRow.id)))
    return [from_record(ReportPublished, row.value, row.record().headers) for row in rows]


async def told(world: World) -> list[str]:
    async with world.db.read() as session:
        return list(await session.scalars(select(NoticeRow.incident).order_by(NoticeRow.incident)))


async def test_a_report_goes_out_once_when_its_last_day_can_be_judged(world: World) -> None:
    await publishing(world).step(DUE)
    assert await published(world) == []
    for hours in (1, 1, 2):
        await publishing(world, ("desk",)).step(DUE + timedelta(hours=hours))
    (event,) = await published(world)
    assert (event.first_block, event.last_block, event.every) == ("2013-03-04", "2013-03-10", "week")
    assert event.value_minor == event.cost_without_model_minor - event.cost_minor
    assert (event.volume, event.time) == (70, DUE + timedelta(hours=1))
    assert await told(world) == ["flights:report:2013-03-04..2013-03-10"]

    async with world.db.read() as session:
        page = read(str(await ReportStore(session).get_page("flights", "2013-03-04", "2013-03-10")))
    numbers = {number.value for number in page.numbers}
    assert {str(event.value_minor), str(event.cost_minor), "70"} <= numbers


async def test_the_same_history_gives_the_same_event(world: World, tmp_path: Path) -> None:
    other = World(tmp_path / "other")
    await other.live()
    await on_use_case_applied(applied(WEEKLY, 3, START + 3 * DAY), other.db, ())
    for each in (world, other):
        await publishing(each).step(DUE + DAY)
    assert await published(world) == await published(other) != []
    await other.close()


async def test_a_period_whose_accounts_are_missing_gets_no_report_and_is_an_incident(world: World) -> None:
    await on_use_case_applied(applied(WEEKLY, 4, START + 15 * DAY), world.db, ())
    # The week up to the 24th was never judged, and nothing is heard of those after it.
    late = START.replace(month=4, day=20)
    await publishing(world, ("desk",)).step(late)
    assert [event.last_block for event in await published(world)] == ["2013-03-17"]
    assert [name for name in await told(world) if ":report:" not in name] == [
        "flights:overdue:2013-04-14",
        "flights:silent:2013-03-24",
    ]


async def test_a_report_that_cannot_be_made_is_overdue_in_the_end(world: World) -> None:
    for file in Path(world.location, "decisions").rglob("*.parquet"):
        file.write_bytes(b"torn")
    await publishing(world, ("desk",)).step(DUE + timedelta(hours=26))
    assert await published(world) == []
    assert await told(world) == ["flights:overdue:2013-03-10"]


async def test_a_correction_of_a_day_long_gone_is_no_silence(tmp_path: Path) -> None:
    busy = World(tmp_path)
    now = await busy.live()
    old = account("2013-03-02", revision=9, contract_digest=SECOND.digest).model_copy(update={"time": now - DAY / 8})
    await keep(busy.db, old)
    await publishing(busy, ("desk",)).step(now)
    assert await told(busy) == []
    await busy.close()


async def test_before_a_model_decides_no_report_is_due_nor_overdue(tmp_path: Path) -> None:
    waiting = World(tmp_path)
    await waiting.db.create_tables()
    await on_use_case_applied(applied(WEEKLY), waiting.db, ())
    await publishing(waiting, ("desk",)).step(START + 40 * DAY)
    assert await told(waiting) == []
    # A model that decides and has no case is another thing: its reports are missing.
    await keep(waiting.db, released(1, "first", START + 20 * DAY))
    await publishing(waiting, ("desk",)).step(START + 40 * DAY)
    assert await told(waiting) == ["flights:overdue:2013-03-31"]
    await waiting.close()


async def test_a_week_of_two_currencies_tells_the_sum_of_the_newer(tmp_path: Path) -> None:
    changing = World(tmp_path)
    await changing.db.create_tables()
    euro = flights_contract(reporting={"every": "week"}, currency="EUR")
    for terms in (applied(WEEKLY), applied(euro, 2, START + 5 * DAY, changed=["currency"])):
        await on_use_case_applied(terms, changing.db, ())
    days = {day: WEEKLY if day < 7 else euro for day in range(4, 11)}
    heard = [
        account(f"2013-03-{day:02}", value_minor=day, contract_digest=contract.digest, currency=contract.currency)
        for day, contract in days.items()
    ]
    for one in [released(1, "first", START), *heard]:
        await keep(changing.db, one)
    await publishing(changing, ("desk",)).step(DUE + DAY)
    (event,) = await published(changing)
    assert (event.currency, event.value_minor, event.volume) == ("EUR", 7 + 8 + 9 + 10, 40)
    await changing.close()


async def test_a_contract_that_says_nothing_gets_none(tmp_path: Path) -> None:
    quiet = World(tmp_path)
    await quiet.live()
    await publishing(quiet).step(START + 60 * DAY)
    assert await published(quiet) == []
    await quiet.close()


def test_periods_are_whole_days_weeks_and_months() -> None:
    leap = period_around(date(2024, 2, 29), "month")
    assert (leap.first, leap.last) == ("2024-02-01", "2024-02-29")
    assert period_around(date(2013, 3, 3), "week").last == "2013-03-03"
    assert period_around(date(2013, 3, 3), "day").days == 1
