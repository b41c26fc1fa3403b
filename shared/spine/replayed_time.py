"""Reads the clock of a replay back from the last `time_advanced`, so that a restarted service goes on where it was."""

from datetime import datetime
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from shared.events import MalformedEventError, TimeAdvanced, from_record


async def last_time(options: dict[str, Any]) -> datetime | None:
    """The time of the newest readable `time_advanced`, or None before the first."""
    consumer = AIOKafkaConsumer(**options, group_id=None, enable_auto_commit=False)
    await consumer.start()
    try:
        partition = TopicPartition(TimeAdvanced.topic, 0)
        consumer.assign([partition])
        end = (await consumer.end_offsets([partition]))[partition]
        for offset in range(end - 1, max(end - 100, 0) - 1, -1):
            consumer.seek(partition, offset)
            record = await consumer.getone(partition)
            try:
                return from_record(TimeAdvanced, record.value, record.headers).now
            except MalformedEventError:
                continue
        return None
    finally:
        await consumer.stop()
