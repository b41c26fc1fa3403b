"""The relay: takes events from the outbox to Kafka, in order, one active relay per database."""

import asyncio
import logging
from collections.abc import Sequence

from sqlalchemy import delete, select

from shared.spine import metrics, points
from shared.spine.clock import wall_now
from shared.spine.db import Database
from shared.spine.errors import TransientError
from shared.spine.outbox import OutboxRow
from shared.spine.publisher import Publisher

log = logging.getLogger(__name__)
BATCH = 500
IDLE_SECONDS = 1.0


class Relay:
    """Publishes, waits for the acknowledgements, then deletes: an event may go out twice, never not at all."""

    def __init__(self, db: Database, publisher: Publisher, service: str) -> None:
        self._db, self._publisher, self._service = db, publisher, service

    async def run(self) -> None:
        """For ever: publish whatever is committed; wait and try again while Kafka is away."""
        wait, told = 0.05, ""
        while True:
            try:
                async with self._db.exclusive("relay") as assert_held:
                    while True:
                        await assert_held()
                        await self._drain()
                        wait, told = 0.05, ""
                        await self._idle()
            except TransientError as error:
                # A second member waits like this for as long as the first lives.
                if told != str(error):
                    log.warning("relay waits", extra={"error": str(error)[:300], "wait_seconds": wait})
                told = str(error)
                await asyncio.sleep(wait)
                wait = min(wait * 2, 2.0)

    async def publish_batch(self) -> int:
        """Publish the oldest events; returns how many."""
        async with self._db.read() as session:
            rows = (await session.scalars(select(OutboxRow).order_by(OutboxRow.id).limit(BATCH))).all()
        self._measure(rows)
        if rows:
            points.reached(points.AFTER_COMMIT_BEFORE_PUBLISH)
            await self._publisher.send([row.record() for row in rows])
            points.reached(points.AFTER_PUBLISH_BEFORE_MARK)
            async with self._db.transaction() as session:
                await session.execute(delete(OutboxRow).where(OutboxRow.id.in_([row.id for row in rows])))
        return len(rows)

    async def _drain(self) -> None:
        while True:
            self._db.changed.clear()
            if not await self.publish_batch():
                return

    async def _idle(self) -> None:
        try:
            await asyncio.wait_for(self._db.changed.wait(), IDLE_SECONDS)
        except TimeoutError:
            return

    def _measure(self, rows: Sequence[OutboxRow]) -> None:
        metrics.SPINE_OUTBOX_EVENTS.labels(self._service).set(len(rows))
        age = (wall_now() - rows[0].written_at).total_seconds() if rows else 0.0
        metrics.SPINE_OUTBOX_AGE_SECONDS.labels(self._service).set(age)
