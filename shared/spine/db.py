"""A service's own database: SQLite file by default, PostgreSQL by URL; one commit point."""

import asyncio
import fcntl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

from faststream import Context
from sqlalchemy import event, text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase

from shared.spine.errors import TransientError


class Base(DeclarativeBase):
    """The tables of this process: the service's own plus inbox and outbox."""


class Database:
    """Transactions over one database. `changed` is set after each commit: it wakes the relay."""

    def __init__(self, url: str) -> None:
        self.url = make_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self.changed = asyncio.Event()
        self._writing = asyncio.Lock()
        self.engine = _sqlite_engine(url) if self.is_sqlite else create_async_engine(url, pool_pre_ping=True)

    async def create_tables(self) -> None:
        """Create what is missing."""
        async with self.engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """State, inbox and outbox commit together, or not at all."""
        async with self._turn(), AsyncSession(self.engine, expire_on_commit=False) as session:
            async with session.begin():
                yield session
            self.changed.set()

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncSession]:
        """A session that only reads."""
        engine = self.engine.execution_options(headrace_readonly=True)
        async with AsyncSession(engine, expire_on_commit=False) as session:
            yield session

    @asynccontextmanager
    async def exclusive(self, name: str) -> AsyncIterator[None]:
        """Held by one process of all that share this database; raises TransientError while another holds it."""
        if self.is_sqlite:
            assert self.url.database
            with open(f"{self.url.database}.{name}.lock", "w") as handle:  # noqa: ASYNC230  a lock file, never written
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError as error:
                    raise TransientError(f"another process holds {name}") from error
                yield
        else:
            async with self.engine.connect() as connection:
                held = await connection.scalar(text("SELECT pg_try_advisory_lock(hashtext(:name))"), {"name": name})
                if not held:
                    raise TransientError(f"another process holds {name}")
                # The lock may be held for days: no transaction stays open beside it.
                await connection.rollback()
                try:
                    yield
                finally:
                    # The lock belongs to the connection, which the pool would keep alive.
                    await connection.invalidate()

    async def close(self) -> None:
        """Close all connections."""
        await self.engine.dispose()

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        # SQLite has one writer: waiting here is quicker and fairer than its busy loop.
        if self.is_sqlite:
            async with self._writing:
                yield
        else:
            yield


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
