"""What arrived on Kafka: the requests whose predictions are there, and when each worker switched."""

from collections import Counter
from collections.abc import AsyncIterator

import msgspec
from aiokafka import AIOKafkaConsumer

from shared.events import ActivationReported, PredictionServed, from_record
from shared.spine.topics import partitions_of


class Served(msgspec.Struct, frozen=True):
    """What of an event matters here."""

    request_id: str
    first_position: int
    status: str
    decisions: list[str] = []
    blocks: list[str] = []
    places: list[int | None] = []


class Taken(msgspec.Struct, frozen=True):
    """One decision, with its block and its place in the block's capacity."""

    decision: str
    block: str
    place: int | None


_SERVED = msgspec.json.Decoder(Served)


async def predictions(kafka: str) -> Counter[tuple[str, int]]:
    """How often each answered prediction is on Kafka: (request id, position) -> copies."""
    found: Counter[tuple[str, int]] = Counter()
    async for value, _ in _all(kafka, PredictionServed.topic):
        event = _SERVED.decode(value)
        if event.status == "answered":
            found.update((event.request_id, event.first_position + row) for row in range(len(event.decisions)))
    return found


async def taken(kafka: str) -> dict[tuple[str, int], Taken]:
    """What was decided for each answered prediction: (request id, position) -> decision, block, place."""
    found: dict[tuple[str, int], Taken] = {}
    async for value, _ in _all(kafka, PredictionServed.topic):
        event = _SERVED.decode(value)
        if event.status == "answered":
            rows = zip(event.decisions, event.blocks, event.places, strict=True)
            found |= {(event.request_id, event.first_position + row): Taken(*one) for row, one in enumerate(rows)}
    return found


async def activations(kafka: str) -> list[ActivationReported]:
    """All reports of workers."""
    return [
        from_record(ActivationReported, value, headers)
        async for value, headers in _all(kafka, ActivationReported.topic)
    ]


async def _all(kafka: str, topic: str) -> AsyncIterator[tuple[bytes, tuple[tuple[str, bytes], ...]]]:
    options = {"bootstrap_servers": kafka}
    consumer = AIOKafkaConsumer(
        **options, group_id=None, enable_auto_commit=False, auto_offset_reset="earliest", max_poll_records=5000,
        max_partition_fetch_bytes=8 * 1024 * 1024,
    )  # fmt: skip
    await consumer.start()
    try:
        partitions = await partitions_of(options, [topic])
        ends = await consumer.end_offsets(partitions)
        consumer.assign(partitions)
        await consumer.seek_to_beginning(*partitions)
        while any([await consumer.position(partition) < end for partition, end in ends.items()]):
            for records in (await consumer.getmany(timeout_ms=500)).values():
                for record in records:
                    yield record.value, record.headers
    finally:
        await consumer.stop()
