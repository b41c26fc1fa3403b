"""Reads the clock of a replay back from the last `time_advanced`, so that a restarted service goes on where it was."""

from datetime import datetime
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from shared.events import MalformedEventError, TimeAdvanced, from_record

_LOOKED_AT = 100


async def last_time(options: dict[str, Any]) -> datetime | None:
    """The latest time that the last hundred `time_advanced` name, or None before the first.

    Not that of the last record: a sender that repeats itself may have written an earlier time behind it.
    """
    consumer = AIOKafkaConsumer(**options, group_id=None, enable_auto_commit=False)
    await consumer.start()
    try:
        partition = TopicPartition(TimeAdvanced.topic, 0)
        consumer.assign([partition])
        end = (await consumer.end_offsets([partition]))[partition]
        consumer.seek(partition, max(end - _LOOKED_AT, 0))
        newest: datetime | None = None
        while await consumer.position(partition) < end:
            for record in (await consumer.getmany(partition, timeout_ms=500)).get(partition, ()):
                newest = _later(newest, record)
        return newest
    finally:
        await consumer.stop()


def _later(newest: datetime | None, record: Any) -> datetime | None:
    try:
        now = from_record(TimeAdvanced, record.value, record.headers).now
    except MalformedEventError:
        return newest
    return now if newest is None else max(newest, now)
