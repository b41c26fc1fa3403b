"""Provisions the topics of the catalogue and their dead-letter topics; nothing is ever created by accident."""

import asyncio
from collections.abc import Collection
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaConnectionError

from shared.events import CATALOGUE
from shared.events.topics import DATA_PARTITIONS, TopicShape, every_shape
from shared.spine.errors import TransientError
from shared.spine.kafka_fault import kafka_fault

_EXISTS = 36


def all_topics(replication: int = 1, data_partitions: int = DATA_PARTITIONS) -> list[NewTopic]:
    """Every topic of the catalogue, and `<topic>.dead` beside each."""
    return [
        NewTopic(
            shape.name,
            num_partitions=shape.partitions,
            replication_factor=replication,
            topic_configs=configuration(shape),
        )
        for shape in every_shape(CATALOGUE.values(), data_partitions)
    ]


def configuration(shape: TopicShape) -> dict[str, str]:
    """What the broker has to know about a topic."""
    return {
        # Event time lives in ce_time: a replayed 2013 as Kafka timestamp would be deleted by retention within minutes.
        "message.timestamp.type": "LogAppendTime",
        "cleanup.policy": "delete",
        "retention.ms": str(shape.retention_ms),
        "retention.bytes": str(shape.retention_bytes),
        "segment.bytes": str(64 * 1024**2),
        "max.message.bytes": str(shape.max_message_bytes),
        # A stranger may compress: the broker undoes it, so that no record is larger than it looks and none needs a
        # library that this process lacks (either would block its partition for ever).
        "compression.type": "uncompressed",
    }


async def provision(options: dict[str, Any], replication: int = 1, data_partitions: int = 3) -> None:
    """Create the topics that are missing; raises TransientError when Kafka cannot be reached, or refuses one."""
    admin = AIOKafkaAdminClient(**options)
    try:
        await admin.start()
        existing = set(await admin.list_topics())
        missing = [t for t in all_topics(replication, data_partitions) if t.name not in existing]
        if missing:
            answer = await admin.create_topics(missing)
            refused = [(name, code) for name, code, *_ in answer.topic_errors if code not in (0, _EXISTS)]
            if refused:
                raise TransientError(f"Kafka refused to create {refused}")
            await _visible(admin, {t.name for t in missing})
    except KafkaConnectionError as error:
        raise TransientError(await kafka_fault(options) or repr(error)) from error
    finally:
        await admin.close()


async def _visible(admin: AIOKafkaAdminClient, names: set[str]) -> None:
    """A consumer that asks for a topic before the broker knows it waits 40 s."""
    for _ in range(200):
        if names <= set(await admin.list_topics()):
            return
        await asyncio.sleep(0.02)
    raise TransientError("new topics did not appear")


async def partitions_of(options: dict[str, Any], topics: Collection[str]) -> list[TopicPartition]:
    """Every partition of these topics that the brokers have."""
    admin = AIOKafkaAdminClient(**options)
    try:
        await admin.start()
        described = await admin.describe_topics(sorted(topics))
    finally:
        await admin.close()
    return [TopicPartition(one["topic"], part["partition"]) for one in described for part in one["partitions"]]


async def ends_of(options: dict[str, Any], topics: Collection[str]) -> dict[TopicPartition, int]:
    """The offset that the next record of each partition will have."""
    partitions = await partitions_of(options, topics)
    consumer = AIOKafkaConsumer(**options, group_id=None, enable_auto_commit=False)
    await consumer.start()
    try:
        return dict(await consumer.end_offsets(partitions))
    finally:
        await consumer.stop()
