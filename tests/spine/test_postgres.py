"""What only a server does: it ends connections, counts characters, lets clients wait. All of it is sorted rightly."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import text

from shared.spine.db import Database
from shared.spine.error_policy import kind_of
from shared.spine.errors import TransientError
from shared.spine.inbox import InboxRow
from shared.spine.outbox import OutboxRow

NOW = datetime(2013, 3, 1, tzinfo=UTC)
ONE = text("SELECT 1")


async def end_all_others(db: Database) -> None:
    """As a restart of the server would end every connection but this one; waits for nobody."""
    ends = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> "
    async with db.engine.connect() as connection:
        await connection.execute(text(f"{ends} pg_backend_pid()"))


async def kind_after(work: Callable[[], Awaitable[object]]) -> str:
    """How the error is sorted with which this ends."""
    with pytest.raises(Exception) as caught:  # noqa: PT011  whatever the driver calls it
        await work()
    return kind_of(caught.value)


async def test_a_hold_that_went_with_its_connection_is_noticed(db: Database, other: Database) -> None:
    async with db.exclusive("relay") as assert_held:
        await assert_held()
        await end_all_others(other)
        with pytest.raises(TransientError, match="the connection that held relay is gone"):
            await assert_held()
        async with other.exclusive("relay"):
            pass


async def test_a_transaction_whose_connection_is_ended_is_tried_again(db: Database, other: Database) -> None:
    async def work() -> None:
        async with db.transaction() as session:
            await end_all_others(other)
            await session.execute(ONE)

    assert await kind_after(work) == "transient"
    async with db.transaction() as session:
        assert await session.scalar(ONE) == 1


async def test_whoever_waits_too_long_for_its_turn_is_tried_again(db: Database, other: Database) -> None:
    async def work() -> None:
        async with other.engine.begin() as connection:
            await connection.execute(text("SET LOCAL lock_timeout = '50ms'"))
            await other._take_turn(connection)

    async with db.transaction():
        assert await kind_after(work) == "transient"


@pytest.mark.parametrize("changed", [{"topic": "x" * 129}, {"topic": "NUL \x00"}, {"id": 2**63}])
async def test_what_the_database_cannot_hold_is_refused_for_good(db: Database, changed: dict[str, Any]) -> None:
    row: dict[str, Any] = {"topic": "x", "key": b"", "value": b"", "headers": "[]", "written_at": NOW} | changed

    async def work() -> None:
        async with db.transaction() as session:
            session.add(OutboxRow(**row))

    assert await kind_after(work) == "permanent"


async def test_the_same_row_twice_is_a_bug(db: Database) -> None:
    async def work() -> None:
        async with db.transaction() as session:
            session.add(InboxRow(event_id="x", topic="y"))

    await work()
    assert await kind_after(work) == "bug"


async def test_a_reader_cannot_write(db: Database) -> None:
    async with db.read() as session:
        session.add(InboxRow(event_id="x", topic="y"))
        with pytest.raises(Exception, match="read-only transaction"):
            await session.flush()
