"""Writes every event of every topic again, as a sender that never trusts an acknowledgement would."""

import random
from collections.abc import Mapping, Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from shared.events import CATALOGUE
from shared.spine.topics import partitions_of

_MOST = 5
_WINDOW = 50


class Repeater:
    """Each event ends up one to five times in its partition, or the share `twice` of them two times.

    The repeats are shuffled within windows of 50 records.
    """

    def __init__(self, options: Mapping[str, Any], seed: int, twice: float = 0.0) -> None:
        self._options, self._chance, self._twice = dict(options), random.Random(seed), twice
        self._next: dict[TopicPartition, int] = {}
        # Repeats are not repeated again.
        self._ours: set[tuple[str, int, int]] = set()
        self.written = 0

    async def repeat(self) -> None:
        """Repeat what has come since the last time."""
        for partition, records in (await self._fresh()).items():
            for start in range(0, len(records), _WINDOW):
                await self._write(partition, records[start : start + _WINDOW])

    async def _fresh(self) -> dict[TopicPartition, list[Any]]:
        consumer = AIOKafkaConsumer(**self._options, group_id=None, enable_auto_commit=False)
        await consumer.start()
        try:
            partitions = await partitions_of(self._options, CATALOGUE)
            consumer.assign(partitions)
            for partition in partitions:
                consumer.seek(partition, self._next.get(partition, 0))
            ends = await consumer.end_offsets(partitions)
            found: dict[TopicPartition, list[Any]] = {}
            while any([await consumer.position(partition) < end for partition, end in ends.items()]):
                for partition, records in (await consumer.getmany(timeout_ms=200)).items():
                    found.setdefault(partition, []).extend(records)
            self._next |= {partition: await consumer.position(partition) for partition in partitions}
        finally:
            await consumer.stop()
        return {partition: [r for r in records if self._is_theirs(r)] for partition, records in found.items()}

    def _is_theirs(self, record: Any) -> bool:
        # A record without an id is one that the harness itself has spoilt.
        is_event = any(name == "ce_id" for name, _ in record.headers)
        return is_event and (record.topic, record.partition, record.offset) not in self._ours

    def _copies(self) -> int:
        return self._chance.random() < self._twice if self._twice else self._chance.randrange(_MOST)

    async def _write(self, partition: TopicPartition, window: Sequence[Any]) -> None:
        copies = [record for record in window for _ in range(self._copies())]
        self._chance.shuffle(copies)
        producer = AIOKafkaProducer(**self._options, acks="all", enable_idempotence=True)
        await producer.start()
        try:
            sent = [
                await producer.send(
                    partition.topic, value=r.value, key=r.key, headers=list(r.headers), partition=partition.partition
                )
                for r in copies
            ]
            for future in sent:
                placed = await future
                self._ours.add((placed.topic, placed.partition, placed.offset))
                self.written += 1
        finally:
            await producer.stop()
