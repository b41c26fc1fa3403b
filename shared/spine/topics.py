"""Provisions the topics of the catalogue and their dead-letter topics; nothing is ever created by accident."""

import asyncio
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from shared.events import CATALOGUE, Event
from shared.spine.dead_letters import SUFFIX
from shared.spine.errors import TransientError

_EXISTS = 36
_DAY_MS = 24 * 3600 * 1000


def topic_of(event: type[Event], replication: int = 1, data_partitions: int = 3) -> NewTopic:
    """Lifecycle topics: one partition, kept for ever. Data topics: several partitions, a week."""
    lifecycle = event.kind == "lifecycle"
    return NewTopic(
        event.topic,
        num_partitions=1 if lifecycle else data_partitions,
        replication_factor=replication,
        topic_configs=_configs(forever=lifecycle),
    )


def all_topics(replication: int = 1, data_partitions: int = 3) -> list[NewTopic]:
    """Every topic of the catalogue, and `<topic>.dead` beside each."""
    topics = [topic_of(event, replication, data_partitions) for event in CATALOGUE.values()]
    dead = [
        NewTopic(name + SUFFIX, num_partitions=1, replication_factor=replication, topic_configs=_configs(forever=True))
        for name in CATALOGUE
    ]
    return topics + dead


def _configs(*, forever: bool) -> dict[str, str]:
    # Event time lives in ce_time: a replayed 2013 as Kafka timestamp would be deleted by retention within minutes.
    return {
        "message.timestamp.type": "LogAppendTime",
        "cleanup.policy": "delete",
        "retention.ms": "-1" if forever else str(7 * _DAY_MS),
        "retention.bytes": "-1" if forever else str(4 * 1024**3),
        "segment.bytes": str(64 * 1024**2),
        # Dead letters carry the original plus the reason; the largest event must still fit.
        "max.message.bytes": str(2 * 1024 * 1024),
    }


async def provision(options: dict[str, Any], replication: int = 1, data_partitions: int = 3) -> None:
    """Create the topics that are missing; raises TransientError when Kafka refuses one."""
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
    finally:
        await admin.close()


async def _visible(admin: AIOKafkaAdminClient, names: set[str]) -> None:
    """A consumer that asks for a topic before the broker knows it waits 40 s."""
    for _ in range(200):
        if names <= set(await admin.list_topics()):
            return
        await asyncio.sleep(0.02)
    raise TransientError("new topics did not appear")
