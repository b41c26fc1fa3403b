"""What workers and failed requests leave behind: once each, and never without a bound."""

import datetime as dt
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import func, select

from services.monitor import technical_store
from services.monitor.tables import FailureRow
from services.monitor.technical_store import ActivationStore, FailureStore
from shared.events import ActivationReported
from shared.feedback.rows import Placed
from shared.spine.db import Database
from tests.containers import database_url
from tests.feedback.streams import NOON, PACKAGE, failed

DAY = dt.timedelta(days=1)


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[Database]:
    db = Database(database_url(tmp_path / "monitor.db"))
    await db.create_tables()
    yield db
    await db.close()


async def keep(db: Database, *names: str, time: dt.datetime = NOON, start: int = 0, release: int = 1) -> int:
    """Keep failures, as an own transaction each time; how many are there then."""
    events = [Placed(failed(name, time, release=release), 0, start + i) for i, name in enumerate(names)]
    async with db.transaction() as session:
        await FailureStore(session).add(events)
    return await count(db)


async def count(db: Database) -> int:
    async with db.read() as session:
        return await session.scalar(select(func.count()).select_from(FailureRow)) or 0


async def test_a_failure_that_comes_again_is_one_and_keeps_its_first_place(db: Database) -> None:
    assert await keep(db, "a", "b", "a") == 2
    assert await keep(db, "a", "b", start=7) == 2
    assert await keep(db, "a", release=2) == 3
    async with db.read() as session:
        kept = await FailureStore(session).list_between("flights", 1, NOON, NOON + DAY)
    assert sorted(one.offset for one in kept) == [0, 1]


async def test_a_storm_of_errors_is_kept_up_to_a_bound_per_release_and_day(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(technical_store, "MOST_A_DAY", 10)
    for first in range(0, 100, 5):
        await keep(db, *(f"r{first + i}" for i in range(5)), start=first)
    assert await count(db) == 10
    assert await keep(db, *(f"s{i}" for i in range(50)), release=2) == 20
    assert await keep(db, "next", time=NOON + DAY) == 21


async def test_what_is_far_from_now_is_forgotten(db: Database) -> None:
    await keep(db, "old", time=NOON - 41 * DAY)
    await keep(db, "recent", time=NOON - 39 * DAY)
    await keep(db, "wrong-clock", time=NOON + 41 * DAY)
    async with db.transaction() as session:
        assert await FailureStore(session).has_far(NOON)
        await FailureStore(session).forget(NOON)
        assert not await FailureStore(session).has_far(NOON)
    async with db.read() as session:
        assert [row.request_id for row in await session.scalars(select(FailureRow))] == ["recent"]


async def test_workers_of_releases_long_gone_are_not_kept(db: Database) -> None:
    for sequence in (1, 2, 3):
        event = ActivationReported.begin(
            source="serving", time=NOON, use_case="flights", sequence=sequence, package_digest=PACKAGE, replica=0,
            worker=str(sequence), status="active",
        )  # fmt: skip
        async with db.transaction() as session:
            await ActivationStore(session).add(event)
    async with db.read() as session:
        store = ActivationStore(session)
        kept = [await store.list_of_release("flights", sequence, before=NOON + DAY) for sequence in (1, 2, 3)]
        assert await store.list_of_release("flights", 3, before=NOON) == []
    assert [len(words) for words in kept] == [0, 1, 1]
