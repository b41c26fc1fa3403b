"""State, inbox and outbox commit together or not at all, and only one process holds a name."""

import asyncio

import pytest

from shared.spine.db import Database
from shared.spine.errors import TransientError
from shared.spine.inbox import first_time
from shared.spine.outbox import add_to_outbox, waiting
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


async def test_a_commit_is_announced_and_a_failure_is_not(db: Database) -> None:
    db.changed.clear()
    with pytest.raises(UnforeseenError):
        async with db.transaction():
            raise UnforeseenError
    assert not db.changed.is_set()
    async with db.transaction() as session:
        add_to_outbox(session, asked("x"))
    assert db.changed.is_set()


async def test_a_name_is_held_by_one_at_a_time_and_free_afterwards(db: Database) -> None:
    other = Database(db.url.render_as_string(hide_password=False))
    async with db.exclusive("relay"):
        with pytest.raises(TransientError, match="another process holds relay"):
            async with other.exclusive("relay"):
                pass
        async with other.exclusive("something else"):
            pass
    async with other.exclusive("relay"):
        pass
    await other.close()
