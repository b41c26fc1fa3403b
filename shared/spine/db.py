"""A service's own database: SQLite file by default, PostgreSQL by URL; one commit point, one writer at a time."""

import asyncio
import copy
import fcntl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from faststream import Context
from sqlalchemy import BigInteger, DateTime, Dialect, Integer, String, TypeDecorator, event, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase

from shared.spine.errors import TransientError

Fence = Callable[["AsyncSession"], Awaitable[None]]

# Two processes may share a PostgreSQL database: whoever writes, or creates tables, holds this lock of the server.
_ONE_WRITER = text("SELECT pg_advisory_xact_lock(hashtext('headrace writer'))")
_READING_POSTGRES = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}


class Instant(TypeDecorator[datetime]):
    """An aware datetime in UTC; SQLite alone would forget the zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """To UTC."""
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """From UTC."""
        return None if value is None else value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    """The tables of this process: the service's own plus inbox and outbox."""

    # Integers in events go up to 2^53; SQLite counts up by itself only in a column called INTEGER, which has 64 bits.
    type_annotation_map = {int: BigInteger().with_variant(Integer(), "sqlite"), datetime: Instant}

    def __init_subclass__(cls, **options: Any) -> None:
        """Text sorts by code point, as in SQLite and Python: a server's language would order ids in its own way."""
        super().__init_subclass__(**options)
        for column in cls.__table__.columns:
            # A foreign key has the type of what it names.
            if isinstance(column.type, String) and not column.foreign_keys:
                by_code_point = type(column.type)(column.type.length, collation="C")
                column.type = column.type.with_variant(by_code_point, "postgresql")


class Database:
    """Transactions over one database. `changed` is set after each commit: it wakes the relay."""

    def __init__(self, url: str) -> None:
        self.url = make_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self.changed = asyncio.Event()
        self._writing = asyncio.Lock()
        self._fence: Fence | None = None
        self.engine = _sqlite_engine(url) if self.is_sqlite else _postgres_engine(url)
        reading = {"headrace_readonly": True} if self.is_sqlite else _READING_POSTGRES
        self._reading = self.engine.execution_options(**reading)

    async def create_tables(self) -> None:
        """Create what is missing."""
        async with self.engine.begin() as connection:
            await self._take_turn(connection)
            await connection.run_sync(Base.metadata.create_all)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """State, inbox and outbox commit together, or not at all; it sees everything that was committed before it."""
        # Waiting here holds no connection, and is quicker and fairer than SQLite's busy loop.
        async with self._writing, AsyncSession(self.engine, expire_on_commit=False) as session:
            async with session.begin():
                await self._take_turn(session)
                if self._fence is not None:
                    await self._fence(session)
                yield session
            self.changed.set()

    def fenced_by(self, fence: Fence) -> "Database":
        """The same database, each of whose transactions begins with `fence`; where that raises, nothing is done."""
        fenced = copy.copy(self)
        fenced._fence = fence
        return fenced

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncSession]:
        """A session that only reads, all of it as of one moment; it waits for no writer."""
        async with AsyncSession(self._reading, expire_on_commit=False) as session:
            yield session

    @asynccontextmanager
    async def exclusive(self, name: str) -> AsyncIterator[Callable[[], Awaitable[None]]]:
        """Held by one process of all that share this database; raises TransientError while another holds it.

        What it gives is to be called from time to time: it raises TransientError when the hold was lost, with the
        server that kept it.
        """
        if self.is_sqlite:
            assert self.url.database
            with open(f"{self.url.database}.{name}.lock", "w") as handle:  # noqa: ASYNC230  a lock file, never written
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError as error:
                    raise TransientError(f"another process holds {name}") from error
                yield _keep_file_lock
        else:
            async with self.engine.connect() as connection:
                held = await connection.scalar(text("SELECT pg_try_advisory_lock(hashtext(:name))"), {"name": name})
                if not held:
                    raise TransientError(f"another process holds {name}")
                # The lock may be held for days: no transaction stays open beside it.
                await connection.rollback()
                try:
                    yield partial(_assert_connected, connection, name)
                finally:
                    # The lock belongs to the connection, which the pool would keep alive.
                    await connection.invalidate()

    async def close(self) -> None:
        """Close all connections."""
        await self.engine.dispose()

    async def _take_turn(self, connection: AsyncConnection | AsyncSession) -> None:
        """Wait for the other processes' writers, which SQLite does by itself.

        So nobody decides on what another is changing, and the outbox is numbered in the order of the commits. The lock
        ends with the transaction.
        """
        if not self.is_sqlite:
            await connection.execute(_ONE_WRITER)


def insert_or(session: AsyncSession, row: type[Base]) -> Any:
    """An INSERT into the row's table that can say `on_conflict_do_…`, in the words of the session's database."""
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    return dialect.insert(row.__table__)


async def _keep_file_lock() -> None:
    """A locked file stays locked as long as its process lives."""


async def _assert_connected(connection: AsyncConnection, name: str) -> None:
    try:
        await connection.execute(text("SELECT 1"))
        await connection.rollback()
    except (DBAPIError, OSError) as error:
        raise TransientError(f"the connection that held {name} is gone") from error


def _postgres_engine(url: str) -> AsyncEngine:
    bounds = {
        # As long as SQLite waits for another process; then the same message again.
        "lock_timeout": "30s",
        # A process that was stopped in the middle of a transaction does not hold up the others for ever.
        "idle_in_transaction_session_timeout": "60s",
    }
    arguments = {"timeout": 10, "command_timeout": 60, "server_settings": {"application_name": "headrace", **bounds}}
    # READ COMMITTED whatever the server's default: what waits for its turn must see what the one before it did.
    return create_async_engine(url, pool_pre_ping=True, isolation_level="READ COMMITTED", connect_args=arguments)


def _sqlite_engine(url: str) -> AsyncEngine:
    database = make_url(url).database
    if database and database != ":memory:":
        Path(database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_async_engine(url, connect_args={"timeout": 30})

    @event.listens_for(engine.sync_engine, "connect")
    def _connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        # FULL: with NORMAL a power cut can undo an effect whose offset is committed.
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=30000"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def _begin(connection: Any) -> None:
        readonly = connection.get_execution_options().get("headrace_readonly")
        connection.exec_driver_sql("BEGIN" if readonly else "BEGIN IMMEDIATE")

    return engine


Db = Annotated[Database, Context("db")]
