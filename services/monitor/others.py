"""Waits until the other members of the group have written what they read: a replay closes blocks on all rows."""

import asyncio
from collections.abc import Mapping

from aiokafka import AIOKafkaConsumer, TopicPartition

from shared.feedback.schema import TOPICS, TableName
from shared.feedback.table import FeedbackTable
from shared.spine.clock import monotonic
from shared.spine.errors import TransientError

_LOOK_SECONDS, _PATIENCE_SECONDS = 0.05, 30.0
Tables = Mapping[TableName, FeedbackTable]


async def others_have_written(consumer: AIOKafkaConsumer, probe: AIOKafkaConsumer, tables: Tables) -> None:
    """Return once the tables hold all that lies in partitions that `consumer` has not.

    `probe` is asked for the ends of the topics. Raises TransientError when it takes too long: a member may have ended,
    and then its partitions come here in a while.
    """
    deadline = monotonic() + _PATIENCE_SECONDS
    while missing := await _missing(consumer, probe, tables):
        if monotonic() > deadline:
            raise TransientError(f"other members have not written {sorted(missing)} yet")
        await asyncio.sleep(_LOOK_SECONDS)


async def _missing(consumer: AIOKafkaConsumer, probe: AIOKafkaConsumer, tables: Tables) -> list[tuple[str, int]]:
    every = {TopicPartition(topic, n) for topic in TOPICS.values() for n in consumer.partitions_for_topic(topic) or ()}
    others = every - consumer.assignment()
    if not others:
        return []
    ends = await probe.end_offsets(others)
    missing = []
    for name, table in tables.items():
        wanted = {(one.topic, one.partition): end for one, end in ends.items() if one.topic == TOPICS[name]}
        written = await asyncio.to_thread(table.offsets, list(wanted))
        missing += [key for key, end in wanted.items() if written.get(key, 0) < end]
    return missing
