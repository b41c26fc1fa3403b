"""What one member does for all: it holds a lease in the database, which another takes when its heartbeat stands still.

Time is each member's own monotonic clock. Whatever the holder writes is fenced: it is refused when another has taken
the lease meanwhile, for instance while the holder's process was stopped.
"""

import asyncio
import datetime as dt
import logging

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from services.monitor.metrics import MONITOR_LEASE_HELD
from services.monitor.tables import LeaseRow
from shared.spine.clock import Step, monotonic
from shared.spine.db import Database
from shared.spine.errors import TransientError

log = logging.getLogger(__name__)
NAME = "blocks"
# Looks at a heartbeat, and beats, within the time that a lease lasts.
_BEATS = 6


class LeaseLostError(TransientError):
    """Another member does now what this one wanted to write."""


class Lease:
    """One member's view of the lease on closing blocks, judging, drifting and tidying."""

    def __init__(self, db: Database, owner: str, seconds: float) -> None:
        self._db, self._owner, self._seconds = db, owner, seconds
        self._term: int | None = None
        self._beaten = 0.0
        self._seen: tuple[tuple[str, int, int], float] | None = None
        self.taken = asyncio.Event()

    @property
    def held(self) -> bool:
        """Whether this member holds it, as far as it knows."""
        return self._term is not None and monotonic() - self._beaten < self._seconds

    def only_here(self, step: Step) -> Step:
        """A clock step that runs where the lease is held, and does nothing elsewhere."""

        async def guarded(now: dt.datetime) -> None:
            if self.held or await self.look():
                await step(now)

        return guarded

    async def fence(self, session: AsyncSession) -> None:
        """Raise LeaseLostError unless this member holds the lease until the transaction has ended."""
        if self._term is None or not await self._is_ours(session):
            self._lose()
            raise LeaseLostError(f"{self._owner} does not hold the lease any more; another member goes on")

    async def run(self) -> None:
        """Beat, or watch the holder's heart, for ever."""
        while True:
            await self.look()
            await asyncio.sleep(self._seconds / _BEATS)

    async def look(self) -> bool:
        """Beat where it is held; take it where it is free. Returns whether this member holds it now."""
        if self._term is None and not self._looks_free(await self._read()):
            return False
        async with self._db.transaction() as session:
            if self._term is not None:
                beaten = await self._change(session, heartbeat=LeaseRow.heartbeat + 1)
                return self._keep() if beaten else self._lose()
            # Looked at once more: here nobody else can take it.
            row = await session.get(LeaseRow, NAME)
            if not self._looks_free(row):
                return False
            if row is None:
                row = LeaseRow(name=NAME, term=0, heartbeat=0)
                session.add(row)
            row.owner, row.term, row.heartbeat = self._owner, row.term + 1, row.heartbeat + 1
            term = row.term
        self._term = term
        log.info("this member closes blocks", extra={"owner": self._owner, "term": term})
        self.taken.set()
        return self._keep()

    async def _read(self) -> LeaseRow | None:
        async with self._db.read() as session:
            return await session.get(LeaseRow, NAME)

    def _looks_free(self, row: LeaseRow | None) -> bool:
        """Never held, left behind by this member's last life, or its heart stands still for the whole lease."""
        if row is None or row.owner == self._owner:
            return True
        seen = (row.owner, row.term, row.heartbeat)
        if self._seen is None or self._seen[0] != seen:
            self._seen = (seen, monotonic())
            return False
        return monotonic() - self._seen[1] > self._seconds

    async def _is_ours(self, session: AsyncSession) -> bool:
        ours = (LeaseRow.name == NAME, LeaseRow.owner == self._owner, LeaseRow.term == self._term)
        return await session.scalar(select(LeaseRow.term).where(*ours)) is not None

    async def _change(self, session: AsyncSession, **values: object) -> bool:
        ours = (LeaseRow.name == NAME, LeaseRow.owner == self._owner, LeaseRow.term == self._term)
        result = await session.execute(
            update(LeaseRow).where(*ours).values(**values).execution_options(synchronize_session=False)
        )
        return bool(result.rowcount == 1)  # type: ignore[attr-defined]

    def _keep(self) -> bool:
        self._beaten = monotonic()
        MONITOR_LEASE_HELD.set(1)
        return True

    def _lose(self) -> bool:
        if self._term is not None:
            log.warning("another member closes blocks now", extra={"owner": self._owner})
        self._term = None
        MONITOR_LEASE_HELD.set(0)
        return False
