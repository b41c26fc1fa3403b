"""Reads both data topics and writes them to the feedback tables, whose own offsets say where to go on."""

import asyncio
import datetime as dt
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import polars as pl
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError

from services.monitor import metrics
from services.monitor.buffer import TABLE_OF, Batch, Buffer
from services.monitor.decoding import DataEvent, Decoder
from services.monitor.others import others_have_written
from services.monitor.settings import MonitorSettings
from services.monitor.store import Contracts
from services.monitor.technical_store import FailureStore
from shared.events import PredictionServed
from shared.feedback.rows import Placed
from shared.feedback.schema import TOPICS, TableName
from shared.feedback.table import FeedbackTable
from shared.spine.bug_limit import BugLimit, ConsumerStoppedError
from shared.spine.clock import monotonic
from shared.spine.db import Database
from shared.spine.dead_letters import DeadLetters
from shared.spine.errors import TransientError

log = logging.getLogger(__name__)
GROUP = "monitor.feedback"
_POLL_SECONDS = 0.2
_MAX_RECORDS = 2_000
# Fetched at once from one partition: some thousand events, so that Kafka is asked seldom.
_FETCH_BYTES = 4 * 1024**2
# One request at a time goes to each broker: while it waits at the end of one partition, another's backlog waits too.
_FETCH_WAIT_MS = 250
_PATIENCE_SECONDS = 30.0
_STATUS_SECONDS = 2.0
_MEASURE_SECONDS = 5.0


class Ingest(ConsumerRebalanceListener):  # type: ignore[misc]
    """One consumer for both data topics. At least once from Kafka, once in the tables."""

    def __init__(
        self, settings: MonitorSettings, db: Database, contracts: Contracts, dead_letters: DeadLetters, bugs: BugLimit
    ) -> None:
        self._settings, self._db, self._contracts, self._bugs = settings, db, contracts, bugs
        self._decoder = Decoder(contracts, dead_letters, bugs)
        self._tables: dict[TableName, FeedbackTable] = {
            name: FeedbackTable(settings.feedback_location, name) for name in TOPICS
        }
        self._buffer = Buffer()
        self._consumer: AIOKafkaConsumer | None = None
        self._ends: AIOKafkaConsumer | None = None
        self._assigned = asyncio.Event()
        self._turn = asyncio.Lock()
        self._poll: asyncio.Task[dict[TopicPartition, list[Any]]] | None = None
        # Grows whenever the positions are set anew: records read before belong to another story.
        self._story = 0
        self._since: float | None = None

    async def run(self) -> None:
        """Consume for ever; after an error everything starts again from the tables' offsets."""
        await self._contracts.load(self._db)
        self._consumer = consumer = AIOKafkaConsumer(
            **self._settings.kafka_options(),
            group_id=GROUP,
            group_instance_id=f"{GROUP}.{self._settings.instance}",
            client_id=f"headrace-monitor-{self._settings.instance}",
            session_timeout_ms=int(self._settings.kafka_session_seconds * 1000),
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            isolation_level="read_committed",
            fetch_max_wait_ms=_FETCH_WAIT_MS,
            max_partition_fetch_bytes=_FETCH_BYTES,
        )
        # Asked for end offsets only: behind a fetch that waits for records every answer would wait too.
        self._ends = ends = AIOKafkaConsumer(
            **self._settings.kafka_options(), group_id=None, enable_auto_commit=False, isolation_level="read_committed"
        )
        consumer.subscribe(list(TOPICS.values()), listener=self)
        try:
            await ends.start()
            await consumer.start()
            measured = monotonic()
            while True:
                await self._once()
                if monotonic() - measured > _MEASURE_SECONDS:
                    await self.pending()
                    measured = monotonic()
        except ConsumerStoppedError:
            # What came before is kept, dead letters too. Then nothing more until the service starts anew.
            async with self._turn:
                await self._flush()
            await asyncio.Event().wait()
        finally:
            self._assigned.clear()
            self._consumer = self._ends = None
            async with asyncio.timeout(10):
                await consumer.stop()
                await ends.stop()

    async def catch_up(self, _now: dt.datetime) -> None:
        """A clock step: everything that lies in the topics at this moment is in the tables afterwards."""
        story = -1
        # What came over while others were waited for is still to be read.
        while story != self._story:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                await self._assigned.wait()
            async with self._interrupting():
                consumer, story = self._ready(self._consumer), self._story
                ends = await self._ready(self._ends).end_offsets(consumer.assignment())
                while any([await consumer.position(partition) < end for partition, end in ends.items()]):
                    await self._read(_POLL_SECONDS)
                await self._flush()
            await others_have_written(consumer, self._ready(self._ends), self._tables)

    async def pending(self) -> dict[str, int]:
        """Rows in memory, and records that are not in the tables; 1 while that cannot be known."""
        consumer = self._consumer
        if consumer is None or not self._assigned.is_set():
            return {"unflushed": self._buffer.rows, "table_lag": 1}
        try:
            async with asyncio.timeout(_STATUS_SECONDS):
                ends = await self._ready(self._ends).end_offsets(consumer.assignment())
        except (KafkaError, TimeoutError):
            return {"unflushed": self._buffer.rows, "table_lag": 1}
        lag = dict.fromkeys(TABLE_OF, 0)
        for partition, end in ends.items():
            written = self._buffer.written.get((partition.topic, partition.partition), 0)
            lag[partition.topic] += max(end - written, 0)
        for topic, records in lag.items():
            metrics.MONITOR_CONSUMER_LAG_RECORDS.labels(topic).set(records)
        return {"unflushed": self._buffer.rows, "table_lag": sum(lag.values())}

    async def on_partitions_revoked(self, revoked: Sequence[TopicPartition]) -> None:
        """What is in memory belongs to whoever gets the partitions; it is read again from the tables' offsets."""
        self._assigned.clear()
        self._story += 1
        self._buffer.begin({})

    async def on_partitions_assigned(self, assigned: Sequence[TopicPartition]) -> None:
        """The tables know where to go on; the group's own offset is for lag tools only."""
        await self._restore()
        # A member too many has none, and nothing to wait for.
        self._assigned.set()

    async def _restore(self) -> None:
        consumer = self._ready(self._consumer)
        partitions = [(one.topic, one.partition) for one in consumer.assignment()]
        offsets: dict[tuple[str, int], int] = {}
        for name, topic in TOPICS.items():
            mine = [key for key in partitions if key[0] == topic]
            offsets |= await asyncio.to_thread(self._tables[name].offsets, mine)
        starts = await consumer.beginning_offsets(consumer.assignment())
        # From here to the end nothing waits: positions, buffer and story change together.
        for partition, first in starts.items():
            known = offsets.get((partition.topic, partition.partition), 0)
            if known < first:
                log.warning(
                    "records were deleted before they were read",
                    extra={"topic": partition.topic, "from": known, "to": first},
                )
            offsets[partition.topic, partition.partition] = max(known, first)
            consumer.seek(partition, max(known, first))
        self._buffer.begin(offsets)
        self._story, self._since = self._story + 1, None
        if starts:
            self._assigned.set()

    @asynccontextmanager
    async def _interrupting(self) -> AsyncIterator[None]:
        """Take the turn at once: an idle poll is cut short, since a replay steps hundreds of times."""
        if self._poll and self._turn.locked():
            self._poll.cancel()
        async with self._turn:
            yield

    async def _once(self) -> None:
        async with self._turn:
            await self._read(_POLL_SECONDS)
            waited = monotonic() - self._since if self._since is not None else 0.0
            if self._buffer.rows >= self._settings.flush_rows or waited >= self._settings.flush_seconds:
                await self._flush()
        # Whoever waits for the turn gets it.
        await asyncio.sleep(0)

    async def _read(self, seconds: float) -> None:
        consumer, story = self._ready(self._consumer), self._story
        for topic in TOPICS.values():
            self._bugs.check(topic)
        self._poll = asyncio.ensure_future(consumer.getmany(timeout_ms=int(seconds * 1000), max_records=_MAX_RECORDS))
        try:
            polled = await self._poll
        except asyncio.CancelledError:
            if not self._poll.cancelled() or (current := asyncio.current_task()) is None or current.cancelling():
                self._poll.cancel()
                raise
            return
        finally:
            self._poll = None
        if not await self._take(polled, story):
            # Partitions came or went in between; these records may lie before or after the new positions.
            await self._restore()

    async def _take(self, polled: dict[TopicPartition, list[Any]], story: int) -> bool:
        """Take what was read into the buffer; False where it belongs to a story that is over.

        Nothing waits for a record that is read quickly, so nothing can change meanwhile.
        """
        if story != self._story or not self._assigned.is_set():
            return False
        if self._since is None and polled:
            self._since = monotonic()
        event: DataEvent | None
        learnt = False
        try:
            for record in (record for records in polled.values() for record in records):
                if (event := self._decoder.decode_quickly(record)) is None:
                    if not learnt:
                        # Perhaps another member has heard of its contract.
                        await self._contracts.refresh(self._db)
                        learnt = True
                    event = await self._decoder.decode(record)
                    if story != self._story or not self._assigned.is_set():
                        return False
                self._buffer.add(record.topic, record.partition, record.offset, event)
        except ConsumerStoppedError:
            self._go_back(polled)
            raise
        except BaseException:
            # The consumer is past these records already: go back, or they would be lost.
            await self._restore()
            raise
        finally:
            self._decoder.count()
        return True

    def _go_back(self, polled: dict[TopicPartition, list[Any]]) -> None:
        """Stand behind what was decoded: the positions are what `_flush` takes for read."""
        for partition, records in polled.items():
            following = self._buffer.following.get((partition.topic, partition.partition), 0)
            self._ready(self._consumer).seek(partition, max(following, records[0].offset))

    async def _flush(self) -> None:
        """One commit per table; Kafka's group offset follows for whoever measures lag by it."""
        consumer, story = self._ready(self._consumer), self._story
        positions = {one: await consumer.position(one) for one in consumer.assignment()}
        if story != self._story:
            return
        for partition, position in positions.items():
            # Past markers of transactions too, which are records that no reader sees.
            self._buffer.skip_to((partition.topic, partition.partition), position)
        batches, self._since = self._buffer.batches(), None
        # Before the offsets, since a death in between only brings the same failures again.
        await self._keep(self._buffer.failures)
        appends = [asyncio.to_thread(self._append, batch) for batch in batches]
        # Both are waited for, whatever becomes of one: nothing may write behind a restart's back.
        for failed in await asyncio.gather(*appends, return_exceptions=True):
            if failed is not None:
                raise failed
        if story != self._story or not batches:
            return
        self._buffer.take_written(batches)
        await self._commit_group(batches)

    async def _keep(self, failures: Sequence[Placed[PredictionServed]]) -> None:
        if failures:
            async with self._db.transaction() as session:
                await FailureStore(session).add(failures)

    def _append(self, batch: Batch) -> None:
        with metrics.MONITOR_FLUSH_SECONDS.labels(batch.table).time():
            added = self._tables[batch.table].append(batch.rows, batch.offsets)
        metrics.MONITOR_ROWS_TOTAL.labels(batch.table).inc(added)
        newest = pl.Series(batch.rows["event_time" if batch.table == "decisions" else "known_at"]).max()
        if isinstance(newest, dt.datetime):
            metrics.MONITOR_FRESHNESS_TIMESTAMP_SECONDS.labels(batch.table).set(newest.timestamp())

    async def _commit_group(self, batches: Sequence[Batch]) -> None:
        offsets = {TopicPartition(*key): following for batch in batches for key, following in batch.offsets.items()}
        try:
            await self._ready(self._consumer).commit(offsets)
        except KafkaError as error:
            log.info("the group's offset stays behind", extra={"error": repr(error)[:200]})

    def _ready(self, consumer: AIOKafkaConsumer | None) -> AIOKafkaConsumer:
        if consumer is None:
            raise TransientError("the data topics are not consumed: Kafka is away")
        return consumer
