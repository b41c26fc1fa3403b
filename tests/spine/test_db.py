"""State, inbox and outbox commit together or not at all, and only one process holds a name."""

import asyncio
from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import select

from shared.spine.db import Database
from shared.spine.errors import TransientError
from shared.spine.inbox import InboxRow, first_time
from shared.spine.outbox import OutboxRow, add_to_outbox, waiting
from tests.spine.told import asked


class UnforeseenError(Exception):
    """Something unforeseen in a handler."""


async def test_nothing_is_left_of_a_transaction_that_raises(db: Database) -> None:
    event = asked("x")

    async def handle() -> None:
        async with db.transaction() as session:
            assert await first_time(session, event)
            add_to_outbox(session, event)
            await session.flush()
            raise UnforeseenError

    with pytest.raises(UnforeseenError):
        await handle()
    async with db.transaction() as session:
        assert await waiting(session) == 0
        assert await first_time(session, event), "the inbox would drop an event without effect"


async def test_a_cancelled_transaction_leaves_nothing_and_blocks_nobody(db: Database) -> None:
    inside, never = asyncio.Event(), asyncio.Event()

    async def stuck() -> None:
        async with db.transaction() as session:
            add_to_outbox(session, asked("x"))
            await session.flush()
            inside.set()
            await never.wait()

    task = asyncio.create_task(stuck())
    await inside.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    async with asyncio.timeout(5), db.transaction() as session:
        assert await waiting(session) == 0


async def test_readers_do_not_wait_for_a_writer_and_see_only_what_is_committed(db: Database) -> None:
    async with asyncio.timeout(5), db.transaction() as session:
        add_to_outbox(session, asked("x"))
        await session.flush()
        async with db.read() as reader:
            assert await waiting(reader) == 0


async def test_writers_of_one_process_take_turns(db: Database) -> None:
    async def write(number: int) -> None:
        async with db.transaction() as session:
            before = await waiting(session)
            add_to_outbox(session, asked(str(number)))
            await session.flush()
            assert await waiting(session) == before + 1

    await asyncio.gather(*(write(number) for number in range(20)))
    async with db.read() as session:
        assert await waiting(session) == 20


async def test_writers_of_two_processes_take_turns(db: Database, other: Database) -> None:
    async def write(database: Database) -> None:
        async with database.transaction() as session:
            before = await waiting(session)
            add_to_outbox(session, asked("x"))
            await session.flush()
            assert await waiting(session) == before + 1

    await asyncio.gather(*(write(database) for _ in range(10) for database in (db, other)))
    async with db.read() as session:
        assert await waiting(session) == 20


async def test_a_reader_sees_one_moment_whatever_is_committed_meanwhile(db: Database) -> None:
    async with db.read() as reader:
        assert await waiting(reader) == 0
        async with db.transaction() as session:
            add_to_outbox(session, asked("x"))
        assert await waiting(reader) == 0
    async with db.read() as reader:
        assert await waiting(reader) == 1


async def test_text_sorts_as_in_python(db: Database) -> None:
    ids = ["b", "a_c", "ab", "B", "a-b", "a/1", "ä", "Z", "a 1", "a.1"]
    async with db.transaction() as session:
        session.add_all([InboxRow(event_id=name, topic="x") for name in ids])
    async with db.read() as session:
        query = select(InboxRow.event_id).order_by(InboxRow.event_id)
        assert list(await session.scalars(query)) == sorted(ids)


async def test_a_time_comes_back_as_the_same_moment_in_utc(db: Database) -> None:
    there = datetime(2013, 3, 10, 1, 59, 59, 999_999, tzinfo=timezone(timedelta(hours=-5)))
    async with db.transaction() as session:
        session.add(OutboxRow(topic="x", key=b"", value=b"", headers="[]", written_at=there))
    async with db.read() as session:
        found = await session.scalar(select(OutboxRow.written_at))
    assert found == there
    assert found.tzinfo is UTC


async def test_a_commit_is_announced_and_a_failure_is_not(db: Database) -> None:
    db.changed.clear()
    with pytest.raises(UnforeseenError):
        async with db.transaction():
            raise UnforeseenError
    assert not db.changed.is_set()
    async with db.transaction() as session:
        add_to_outbox(session, asked("x"))
    assert db.changed.is_set()


async def test_a_name_is_held_by_one_at_a_time_and_free_afterwards(db: Database, other: Database) -> None:
    async with db.exclusive("relay") as assert_held:
        await assert_held()
        with pytest.raises(TransientError, match="another process holds relay"):
            async with other.exclusive("relay"):
                pass
        async with other.exclusive("something else"):
            pass
    async with other.exclusive("relay"):
        pass
