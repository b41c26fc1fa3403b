"""Follows releases: every worker reads the lifecycle topics from the start, without a group, and goes on for ever."""

import asyncio
import logging
from dataclasses import dataclass, field
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from pydantic import ValidationError

from services.serving import metrics
from services.serving.activate import Activator
from services.serving.settings import ServingSettings
from shared.contract import Contract
from shared.events import CapacityChanged, MalformedEventError, ModelReleased, TimeAdvanced, UseCaseApplied, from_record
from shared.spine.clock import Clock
from shared.spine.errors import TransientError
from shared.spine.settings import FETCH_WAIT_MS
from shared.spine.topics import provision

log = logging.getLogger(__name__)

TOPICS = (UseCaseApplied.topic, ModelReleased.topic, CapacityChanged.topic, TimeAdvanced.topic)
START_SECONDS = 30.0


@dataclass
class Follower:
    """The state of following: what was heard while reading history, and whether Kafka is there."""

    settings: ServingSettings
    activator: Activator
    clock: Clock
    caught_up: bool = False
    away: bool = False
    newest: dict[str, ModelReleased] = field(default_factory=dict)

    async def run(self) -> None:
        """Follow for ever; a broken connection is made anew."""
        wait = 0.1
        while True:
            try:
                await self._follow()
            except (KafkaError, OSError, TransientError, TimeoutError) as error:
                self.away = True
                log.warning("Kafka is away", extra={"error": repr(error)[:300], "wait_seconds": wait})
            except Exception:
                self.away = True
                log.exception("following releases failed; starting again")
            await asyncio.sleep(wait)
            wait = min(wait * 2, 2.0)

    async def _follow(self) -> None:
        options = self.settings.kafka_options()
        async with asyncio.timeout(START_SECONDS):
            await provision(options, self.settings.kafka_replication_factor, self.settings.kafka_data_partitions)
        consumer = AIOKafkaConsumer(
            **options,
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=FETCH_WAIT_MS,
        )
        try:
            async with asyncio.timeout(START_SECONDS):
                await consumer.start()
                partitions = [TopicPartition(topic, 0) for topic in TOPICS]
                # Asked before anything is fetched: behind a fetch that waits for records the answer would wait too.
                end = await consumer.end_offsets(partitions)
                consumer.assign(partitions)
                await consumer.seek_to_beginning(*partitions)
            await self._catch_up(consumer, end)
            self.away = False
            while True:
                await self._read(consumer, timeout_ms=1000)
        finally:
            await _stop(consumer)

    async def _catch_up(self, consumer: AIOKafkaConsumer, end: dict[TopicPartition, int]) -> None:
        """Read history; of all its releases only the newest of each use case is made live."""
        while any([await consumer.position(partition) < offset for partition, offset in end.items()]):
            await self._read(consumer, timeout_ms=200)
        self.caught_up = True
        log.info("caught up with the releases", extra={"use_cases": sorted(self.newest)})
        for release in list(self.newest.values()):
            await self.activator.want(release)

    async def _read(self, consumer: AIOKafkaConsumer, timeout_ms: int) -> None:
        for records in (await consumer.getmany(timeout_ms=timeout_ms)).values():
            for record in records:
                await self.hear(record.topic, record.value, record.headers)

    async def hear(self, topic: str, value: bytes | None, headers: Any) -> None:
        """Take one record in; what cannot be read is counted and passed over, for it concerns others too."""
        try:
            match topic:
                case UseCaseApplied.topic:
                    await self._on_applied(from_record(UseCaseApplied, value, headers))
                case ModelReleased.topic:
                    await self._on_released(from_record(ModelReleased, value, headers))
                case CapacityChanged.topic:
                    await self.activator.lower(from_record(CapacityChanged, value, headers))
                case TimeAdvanced.topic:
                    await self._on_time(from_record(TimeAdvanced, value, headers))
        except (MalformedEventError, ValidationError) as error:
            metrics.SERVING_MALFORMED_EVENTS_TOTAL.labels(topic).inc()
            log.warning("a record cannot be read", extra={"topic": topic, "error": str(error)[:300]})

    async def _on_applied(self, event: UseCaseApplied) -> None:
        contract = Contract.model_validate(event.contract)
        if contract.digest != event.contract_digest:
            raise MalformedEventError("contract", f"has digest {contract.digest}, not {event.contract_digest}")
        await self.activator.learn(contract)

    async def _on_released(self, event: ModelReleased) -> None:
        known = self.newest.get(event.use_case)
        if known and known.sequence >= event.sequence:
            return
        self.newest[event.use_case] = event
        if self.caught_up:
            await self.activator.want(event)

    async def _on_time(self, event: TimeAdvanced) -> None:
        if self.settings.clock == "replay":
            await self.clock.advance(event.now)
            self.activator.changed()


async def _stop(consumer: AIOKafkaConsumer) -> None:
    """Stop within 5 s, whatever the broker does.

    A consumer that is stopped before its helper task ran raises that task's cancellation as if it were ours.
    """
    try:
        await asyncio.wait_for(consumer.stop(), 5)
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
    except Exception as error:
        log.warning("a consumer did not stop cleanly", extra={"error": repr(error)[:300]})
