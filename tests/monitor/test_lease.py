"""One member closes blocks; another goes on when its heart stands still, and then the first can write nothing more."""

import datetime as dt
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.monitor import lease as module
from services.monitor.lease import Lease, LeaseLostError
from services.monitor.tables import LookRow
from shared.spine.db import Database
from tests.containers import database_url
from tests.feedback.streams import NOON

SECONDS = 12.0


class Wall:
    """A monotonic clock that the test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def wall(monkeypatch: pytest.MonkeyPatch) -> Wall:
    wall = Wall()
    monkeypatch.setattr(module, "monotonic", wall)
    return wall


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[Database]:
    db = Database(database_url(tmp_path / "monitor.db"))
    await db.create_tables()
    yield db
    await db.close()


async def write(lease: Lease, db: Database, now: dt.datetime = NOON) -> None:
    async with db.fenced_by(lease.fence).transaction() as session:
        await session.merge(LookRow(id=1, marked_at=now))


async def written(db: Database) -> dt.datetime | None:
    async with db.read() as session:
        row = await session.get(LookRow, 1)
        return row.marked_at if row else None


async def test_the_first_to_look_holds_it_and_its_heart_keeps_it(db: Database, wall: Wall) -> None:
    first, second = Lease(db, "monitor-0", SECONDS), Lease(db, "monitor-1", SECONDS)
    assert await first.look()
    for _ in range(10):
        wall.now += SECONDS / 2
        assert not await second.look()
        assert await first.look()
    assert (first.held, second.held) == (True, False)
    assert first.taken.is_set()


async def test_a_heart_that_stands_still_for_the_whole_lease_passes_it_on(db: Database, wall: Wall) -> None:
    first, second = Lease(db, "monitor-0", SECONDS), Lease(db, "monitor-1", SECONDS)
    await first.look()
    assert not await second.look()
    wall.now += SECONDS
    assert not await second.look()
    wall.now += 0.1
    assert await second.look()
    assert not first.held, "its own clock says that it was silent too long"
    assert not await first.look()


async def test_what_a_former_holder_writes_is_refused_even_while_it_believes_to_hold_it(
    db: Database, wall: Wall
) -> None:
    first, second = Lease(db, "monitor-0", SECONDS), Lease(db, "monitor-1", SECONDS)
    await first.look()
    await write(first, db)
    await second.look()
    wall.now += SECONDS + 0.1
    await second.look()
    first._beaten = wall.now
    assert first.held
    with pytest.raises(LeaseLostError):
        await write(first, db, NOON + dt.timedelta(days=1))
    assert await written(db) == NOON
    await write(second, db, NOON + dt.timedelta(days=2))
    assert await written(db) == NOON + dt.timedelta(days=2)
    assert not first.held


async def test_a_member_that_starts_again_takes_its_own_lease_back_at_once(db: Database, wall: Wall) -> None:
    before = Lease(db, "monitor-0", SECONDS)
    await before.look()
    again = Lease(db, "monitor-0", SECONDS)
    assert await again.look()
    with pytest.raises(LeaseLostError):
        await write(before, db)
    await write(again, db)


async def test_steps_run_where_it_is_held_and_nowhere_else(db: Database, wall: Wall) -> None:
    ran: list[str] = []
    leases = {name: Lease(db, name, SECONDS) for name in ("monitor-0", "monitor-1")}

    async def run_on(name: str) -> None:
        async def step(_now: dt.datetime) -> None:
            ran.append(name)

        await leases[name].only_here(step)(NOON)

    for name in ("monitor-0", "monitor-1", "monitor-0"):
        await run_on(name)
    assert ran == ["monitor-0", "monitor-0"]
    wall.now += SECONDS + 0.1
    await run_on("monitor-1")
    await run_on("monitor-0")
    assert ran == ["monitor-0", "monitor-0", "monitor-1"]


async def test_transactions_without_a_fence_are_not_its_business(db: Database, wall: Wall) -> None:
    lease = Lease(db, "monitor-0", SECONDS)
    with pytest.raises(LeaseLostError):
        await write(lease, db)
    async with db.transaction() as session:
        session.add(LookRow(id=1, marked_at=NOON))
    assert await written(db) == NOON
