"""Looks at Kafka from outside, as a stranger would, and waits for things to happen."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from shared.events import Record, TrainingRequested, to_record
from shared.spine.app import Service, build_app
from shared.spine.publisher import Publisher
from shared.spine.settings import SpineSettings

NOW = datetime(2013, 3, 1, 5, tzinfo=UTC)
TOPIC = TrainingRequested.topic


def settings_for(home: Path, kafka: str) -> SpineSettings:
    """Settings of a service that a test runs."""
    return SpineSettings(home=home, kafka=kafka)


def asked(reason: str = "x", use_case: str = "flights") -> TrainingRequested:
    """An event that the tiny service listens to."""
    return TrainingRequested.begin(source="test", time=NOW, use_case=use_case, reason=reason, requested_by="ada")


async def until(happened: Callable[[], Awaitable[bool]], seconds: float = 60.0) -> None:
    """Return as soon as it has happened; raises TimeoutError."""
    async with asyncio.timeout(seconds):
        while not await happened():
            # Yields to whatever has to happen, on this loop or outside.
            await asyncio.wait([asyncio.create_task(asyncio.to_thread(str))], timeout=0.02)


@asynccontextmanager
async def running(service: Service, *, ready: bool = True) -> AsyncIterator[httpx.AsyncClient]:
    """A service within this process, and a client for its HTTP."""
    app = build_app(service)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service") as client,
    ):
        if ready:
            await until(lambda: is_ready(client))
        yield client


async def is_ready(client: httpx.AsyncClient) -> bool:
    """Whether the service says that it does its work."""
    try:
        return (await client.get("/readyz")).status_code == 200
    except httpx.TransportError:
        return False


async def send(kafka: str, *records: Record) -> None:
    """Publish records of any kind, as a stranger may."""
    publisher = Publisher(SpineSettings(kafka=kafka).kafka_options())
    try:
        await publisher.send(records)
    finally:
        await publisher.stop()


async def ask(kafka: str, *events: TrainingRequested) -> None:
    """Publish good events."""
    await send(kafka, *map(to_record, events))


@asynccontextmanager
async def following(kafka: str, topic: str) -> AsyncIterator[AIOKafkaConsumer]:
    """A reader of the only partition of a topic, from its beginning."""
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka, auto_offset_reset="earliest", enable_auto_commit=False)
    await consumer.start()
    try:
        consumer.assign([TopicPartition(topic, 0)])
        yield consumer
    finally:
        await consumer.stop()


async def take(
    consumer: AIOKafkaConsumer, count: int, wanted: Callable[[Any], bool], seconds: float = 60.0
) -> list[Any]:
    """The first records that are wanted; raises TimeoutError when they do not come."""
    found: list[Any] = []
    async with asyncio.timeout(seconds):
        while len(found) < count:
            record = await consumer.getone()
            if wanted(record):
                found.append(record)
    return found


async def everything(kafka: str, topic: str) -> list[Any]:
    """All records of a topic up to now."""
    async with following(kafka, topic) as consumer:
        partition = TopicPartition(topic, 0)
        end = (await consumer.end_offsets([partition]))[partition]
        found: list[Any] = []
        while await consumer.position(partition) < end:
            for records in (await consumer.getmany(timeout_ms=1000)).values():
                found += records
        return found


async def end_of(kafka: str, topic: str) -> int:
    """Where the only partition of a topic ends."""
    async with following(kafka, topic) as consumer:
        partition = TopicPartition(topic, 0)
        ends = await consumer.end_offsets([partition])
        return int(ends[partition])


async def committed(kafka: str, service: str, topic: str = TOPIC) -> int:
    """The offset that a service's group has committed; -1 before the first."""
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        offsets = await admin.list_consumer_group_offsets(f"{service}.{topic}")
        found = offsets.get(TopicPartition(topic, 0))
        return int(found.offset) if found else -1
    finally:
        await admin.close()
