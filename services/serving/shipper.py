"""Ships the journal to Kafka in a process of its own: in order, at least once, and never stopped by one bad event."""

import argparse
import asyncio
import fcntl
import json
import logging
import os
import signal
import zlib
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import InvalidTopicError, KafkaError, MessageSizeTooLargeError, RecordListTooLargeError

from services.serving import family, metrics
from services.serving.entries import Message
from services.serving.pace import Pace
from services.serving.reader import Batch, Reader
from services.serving.segments import write_atomically
from services.serving.settings import ServingSettings
from shared.spine import logs
from shared.spine.clock import monotonic, wall_now
from shared.spine.errors import TransientError
from shared.spine.publisher import close_hard
from shared.spine.settings import read_settings
from shared.spine.topics import provision

log = logging.getLogger(__name__)

# A backlog goes in batches that are worth the way to Kafka and back, each way of up to so many bytes a partition: with
# the client's own 16 KiB, 500 events went fourteen times.
MAX_BATCH = 2000
PARTITION_BYTES = 256 * 1024
# How long it rests when nothing is there: twice as long each time.
IDLE_SECONDS, MOST_IDLE_SECONDS = 0.01, 0.08
# Where so many came at once, more are coming: Kafka and we do less for the same events when they go together.
MANY_EVENTS, GATHER_SECONDS = 16, 0.05
SEND_SECONDS = 20.0
START_SECONDS = 10.0
FLUSH_SECONDS = 5.0
# What Kafka will never take, however often it is offered.
UNSENDABLE = (
    MessageSizeTooLargeError,
    RecordListTooLargeError,
    InvalidTopicError,
    ValueError,
    TypeError,
    AssertionError,
)


@dataclass
class Shipper:
    """One producer, one reader; what is acknowledged moves the checkpoint."""

    options: dict[str, Any]
    reader: Reader
    replication: int = 1
    partitions: int = 3
    max_request_bytes: int = 2 * 1024 * 1024
    producer: AIOKafkaProducer | None = None
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    pace: Pace = field(default_factory=lambda: Pace(0))

    async def run(self) -> None:
        """Ship until stopped; then what is left, for a few seconds."""
        deadline = float("inf")
        self.pace.begin(self.reader.waiting_bytes(), monotonic())
        wait, rest = 0.1, IDLE_SECONDS
        while monotonic() < deadline:
            try:
                shipped = await self.ship()
                wait = 0.1
            except (KafkaError, OSError, TimeoutError, TransientError) as error:
                await self._drop_producer()
                metrics.SERVING_SHIPPING_FAILURES_TOTAL.inc()
                self.pace.begin(self.reader.waiting_bytes(), monotonic())
                log.warning("Kafka does not take the spool", extra={"error": repr(error)[:300], "wait_seconds": wait})
                await self._pause(wait)
                wait, shipped = min(wait * 2, 2.0), -1
            if self.stopping.is_set():
                deadline = min(deadline, monotonic() + FLUSH_SECONDS)
                if shipped == 0 or self.producer is None:
                    break
            elif shipped == 0:
                await self._pause(rest)
            elif MANY_EVENTS <= shipped < MAX_BATCH:
                await self._pause(GATHER_SECONDS)
            rest = min(rest * 2, MOST_IDLE_SECONDS) if shipped == 0 else IDLE_SECONDS
        await self._drop_producer()

    async def ship(self) -> int:
        """Send what is there, up to 2,000 events, and wait for all acknowledgements; return how many."""
        batch = self.reader.next_batch(MAX_BATCH)
        waiting = self._measure(batch)
        if batch.events:
            await self._hold_back(self.pace.pause(waiting, batch.size, monotonic()))
            producer = await self._started()
            async with asyncio.timeout(SEND_SECONDS):
                sent = [await self._send(producer, message, body) for message, body in batch.events]
                results = await asyncio.gather(*(s for s in sent if s is not None), return_exceptions=True)
            await self._settle(batch, sent, results)
        self.reader.acknowledge(batch)
        return len(batch.events)

    async def _send(self, producer: AIOKafkaProducer, message: Message, body: bytes) -> "asyncio.Future[Any] | None":
        """Hand one event to the producer; None when it can never be sent, and is set aside."""
        headers = [(name, value.encode()) for name, value in message.headers]
        try:
            future: asyncio.Future[Any] = await producer.send(
                message.topic, value=body, key=message.key.encode(), headers=headers
            )
        except UNSENDABLE as error:
            self._set_aside(message, body, error)
            return None
        return future

    async def _settle(self, batch: Batch, sent: list[Any], results: list[Any]) -> None:
        """Set aside what the broker refused for good; anything else that failed means: send all of it again."""
        outcomes, shipped = iter(results), Counter[str]()
        for (message, body), future in zip(batch.events, sent, strict=True):
            result = None if future is None else next(outcomes)
            if isinstance(result, UNSENDABLE):
                self._set_aside(message, body, result)
            elif isinstance(result, BaseException):
                raise result
            elif future is not None:
                shipped[message.topic] += 1
        for topic, count in shipped.items():
            metrics.SERVING_SHIPPED_EVENTS_TOTAL.labels(topic).inc(count)

    def _set_aside(self, message: Message, body: bytes, error: Exception) -> None:
        """Keep what Kafka will not take in a file: `<topic>.dead` has the same limits, and nothing behind may wait."""
        directory = self.reader.directory / "dead"
        directory.mkdir(exist_ok=True)
        name = dict(message.headers).get("ce_id", "unnamed").replace("/", "_")[:128]
        document = {
            "topic": message.topic,
            "key": message.key,
            "headers": message.headers,
            "reason": repr(error)[:1000],
            "value": body.decode("utf-8", "replace"),
        }
        write_atomically(directory / f"{name}.json", json.dumps(document).encode())
        metrics.SERVING_UNSENDABLE_EVENTS_TOTAL.labels(message.topic, "file").inc()
        log.error("an event can never be sent; it is kept in a file", extra={"event_id": name, "error": repr(error)})

    async def _hold_back(self, seconds: float) -> None:
        if seconds > 0:
            metrics.SERVING_REPLAY_PAUSED_SECONDS_TOTAL.inc(seconds)
            await asyncio.sleep(seconds)

    def _measure(self, batch: Batch) -> int:
        waiting = self.reader.waiting_bytes()
        metrics.SERVING_SPOOL_BYTES.set(waiting)
        metrics.SERVING_SPOOL_AGE_SECONDS.set(max(0.0, wall_now().timestamp() - batch.oldest) if batch.oldest else 0.0)
        return waiting

    async def _started(self) -> AIOKafkaProducer:
        if self.producer is None:
            async with asyncio.timeout(START_SECONDS):
                await provision(self.options, self.replication, self.partitions)
            producer = AIOKafkaProducer(
                **self.options,
                acks="all",
                enable_idempotence=True,
                linger_ms=0,
                max_batch_size=PARTITION_BYTES,
                max_request_size=self.max_request_bytes,
                partitioner=partition_of,
            )
            try:
                async with asyncio.timeout(START_SECONDS):
                    await producer.start()
            except BaseException:
                await close_hard(producer)
                raise
            self.producer = producer
        return self.producer

    async def _drop_producer(self) -> None:
        producer, self.producer = self.producer, None
        if producer:
            await close_hard(producer)

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self.stopping.wait(), seconds)


def partition_of(key: bytes, partitions: Sequence[int], _available: Sequence[int]) -> int:
    """Return the partition of a key, by its CRC: the client's own hash is a loop over bytes in Python."""
    return partitions[zlib.crc32(key) % len(partitions)]


def hold(path: Path) -> int | None:
    """Become the only shipper of the host; None while another one ships."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    return handle


async def run(settings: ServingSettings, parent: int) -> None:
    """Wait for the turn, then ship until SIGTERM."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    watch = asyncio.create_task(family.watch(parent), name="watch-parent")
    settings.spool.mkdir(parents=True, exist_ok=True)
    while hold(settings.spool / "shipper.lock") is None:
        with suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), 0.5)
        if stopping.is_set():
            return
    shipper = Shipper(
        settings.kafka_options(),
        Reader(settings.spool),
        settings.kafka_replication_factor,
        settings.kafka_data_partitions,
        stopping=stopping,
        pace=Pace(settings.serving_replay_bytes_per_second),
    )
    try:
        await shipper.run()
    finally:
        watch.cancel()


def main() -> None:
    """Started by services.serving.app."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--parent", type=int, required=True)
    given = parser.parse_args()
    family.die_with(given.parent)
    settings = read_settings(ServingSettings)
    logs.setup("serving-shipper", settings.log_level)
    asyncio.run(run(settings, given.parent))


if __name__ == "__main__":
    main()
