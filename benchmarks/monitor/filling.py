"""Fills the topics: as fast as it goes, or at a rate."""

import asyncio
import logging
from collections.abc import Iterator, Sequence
from itertools import islice

from aiokafka import AIOKafkaProducer

from shared.events import Event, Record, to_record
from shared.spine.clock import monotonic
from shared.spine.topics import provision

_AT_ONCE = 5_000
# A topic that is just made has no leader for a moment; the producer says so each time, and tries again by itself.
logging.getLogger("aiokafka").setLevel(logging.CRITICAL)


async def prepare(kafka: str, *events: Event) -> None:
    """Create the topics and say these events."""
    await provision({"bootstrap_servers": kafka})
    async with _producer(kafka) as producer:
        await _send(producer, [to_record(event) for event in events])


async def fill(kafka: str, records: Iterator[Record], count: int) -> None:
    """Write so many records; all are acknowledged when this returns."""
    async with _producer(kafka) as producer:
        while part := list(islice(records, min(count, _AT_ONCE))):
            await _send(producer, part)
            count -= len(part)


async def fill_at(kafka: str, records: Iterator[Record], rate: float, seconds: float) -> int:
    """Write `rate` records a second for so long, in parts of a fifth of a second; returns how many."""
    begun, sent = monotonic(), 0
    async with _producer(kafka) as producer:
        while (now := monotonic() - begun) < seconds:
            if due := int(now * rate) - sent:
                await _send(producer, list(islice(records, due)))
                sent += due
            await asyncio.sleep(0.2)
    return sent


def _producer(kafka: str) -> AIOKafkaProducer:
    return AIOKafkaProducer(bootstrap_servers=kafka, acks="all", linger_ms=5, max_batch_size=256 * 1024)


async def _send(producer: AIOKafkaProducer, records: Sequence[Record]) -> None:
    sent = [await producer.send(one.topic, value=one.value, key=one.key, headers=list(one.headers)) for one in records]
    await asyncio.gather(*sent)
