"""Reads topics for people, outside every consumer group: what has happened in the order of appending, then live."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Self

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from headrace.errors import CommandError
from headrace.run_info import NotRunningError, read_run_info
from headrace.settings import CommandSettings
from shared.events import CATALOGUE
from shared.events.topics import DEAD_SUFFIX
from shared.spine.kafka_fault import kafka_fault
from shared.spine.settings import SpineSettings

_POLL_MS = 200
_NEW_TOPICS_MS = 2000


def kafka_options(home: Path) -> dict[str, Any]:
    """How to reach Kafka: HEADRACE_KAFKA, or the system that runs under `home`; raises CommandError."""
    address = CommandSettings().kafka
    if not address:
        try:
            address = read_run_info(home).kafka
        except NotRunningError as error:
            raise CommandError(f"{error}, or name a Kafka in HEADRACE_KAFKA") from error
    return SpineSettings(home=home, kafka=address).kafka_options()


def wanted_topics(patterns: Sequence[str]) -> set[str]:
    """The topics that match any of the patterns, all without one; raises CommandError when a pattern matches none.

    >>> sorted(wanted_topics(["model_re*"]))
    ['model_rejected', 'model_rejected.dead', 'model_released', 'model_released.dead']
    """
    names = {name + suffix for name in CATALOGUE for suffix in ("", DEAD_SUFFIX)}
    chosen: set[str] = set()
    for pattern in patterns or ["*"]:
        found = {name for name in names if fnmatchcase(name, pattern)}
        if not found:
            raise CommandError(
                f"no topic matches {pattern!r}; there are {', '.join(sorted(CATALOGUE))}, each with .dead"
            )
        chosen |= found
    return chosen


class TopicReader:
    """A consumer without a group on those of the wanted topics that exist; enter it before reading."""

    def __init__(self, options: dict[str, Any], topics: set[str]) -> None:
        self._topics = topics
        self._known: set[TopicPartition] = set()
        self._options = options
        self._admin = AIOKafkaAdminClient(**options)
        self._consumer = AIOKafkaConsumer(
            **options, group_id=None, enable_auto_commit=False, auto_offset_reset="earliest"
        )

    async def __aenter__(self) -> Self:
        """Connect; raises CommandError when Kafka does not answer."""
        try:
            await self._admin.start()
            await self._consumer.start()
            self._known = await self._existing()
        except (KafkaError, OSError) as error:
            await self.__aexit__()
            raise CommandError(await kafka_fault(self._options) or f"Kafka does not answer: {error}") from error
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self._consumer.stop()
        await self._admin.close()

    async def history(self, newest: int | None = None) -> AsyncIterator[Any]:
        """All records up to now, in the order of appending; of each partition only the `newest`, if given.

        A merge that holds no more than one fetch of each partition, since each partition is in order by itself.
        """
        self._consumer.assign(self._known)
        ends = await self._consumer.end_offsets(self._known)
        begins = await self._consumer.beginning_offsets(self._known)
        for partition, end in ends.items():
            begin = begins[partition]
            self._consumer.seek(partition, begin if newest is None else max(begin, end - newest))
        waiting: dict[TopicPartition, deque[Any]] = {partition: deque() for partition in self._known}
        while True:
            for partition in [p for p, records in waiting.items() if not records]:
                await self._fill(partition, ends[partition], waiting[partition])
            heads = [(records[0].timestamp, p.topic, p.partition, p) for p, records in waiting.items() if records]
            if not heads:
                break
            yield waiting[min(heads)[3]].popleft()
        # A fetch may have gone beyond what was the end: whoever reads on must not miss that.
        for partition, end in ends.items():
            self._consumer.seek(partition, end)

    async def skip_history(self) -> None:
        """Begin with what comes from now on."""
        self._consumer.assign(self._known)
        if self._known:
            await self._consumer.seek_to_end()

    async def live(self) -> AsyncIterator[Any]:
        """Every record from where this reader stands, for ever; a topic that comes later is read from its beginning."""
        while True:
            if self._topics > {partition.topic for partition in self._known}:
                await self._add_new_topics()
            if not self._known:
                await asyncio.sleep(_POLL_MS / 1000)
                continue
            fetched = await self._consumer.getmany(timeout_ms=_NEW_TOPICS_MS)
            records = [record for records in fetched.values() for record in records]
            for record in sorted(records, key=lambda r: (r.timestamp, r.topic, r.partition, r.offset)):
                yield record

    async def _fill(self, partition: TopicPartition, end: int, into: deque[Any]) -> None:
        while not into and await self._consumer.position(partition) < end:
            fetched = await self._consumer.getmany(partition, timeout_ms=_POLL_MS)
            into.extend(record for record in fetched.get(partition, ()) if record.offset < end)

    async def _existing(self) -> set[TopicPartition]:
        described = await self._admin.describe_topics(sorted(self._topics))
        return {
            TopicPartition(topic["topic"], partition["partition"])
            for topic in described
            for partition in topic.get("partitions") or ()
        }

    async def _add_new_topics(self) -> None:
        try:
            fresh = await self._existing() - self._known
        except (KafkaError, OSError):
            # Kafka is away: the consumer goes on by itself when it is back.
            return
        if not fresh:
            return
        positions = {partition: await self._consumer.position(partition) for partition in self._known}
        self._known |= fresh
        self._consumer.assign(self._known)
        for partition in self._known:
            self._consumer.seek(partition, positions.get(partition, 0))


def appended_at(record: Any) -> datetime:
    """When Kafka took the record."""
    return datetime.fromtimestamp(record.timestamp / 1000, UTC)
