"""Measures consumer lag from outside, and ends a service whose consumer stands still beside waiting records."""

import asyncio
import logging
import os
from collections.abc import Mapping, Set
from typing import Any, Protocol

from aiokafka import TopicPartition
from faststream.kafka import KafkaBroker

from shared.spine import metrics
from shared.spine.clock import monotonic
from shared.spine.error_policy import ErrorPolicy
from shared.spine.group import Bounds, GroupWatch
from shared.spine.settings import SpineSettings
from shared.spine.subscribe import ServiceRouter

log = logging.getLogger(__name__)
EVERY_SECONDS, PATIENCE_SECONDS = 5.0, 15.0


class Watched(Protocol):
    """What the watchdog needs of a service."""

    name: str
    settings: SpineSettings
    router: ServiceRouter
    broker: KafkaBroker | None
    policy: ErrorPolicy
    failed: str | None


class Watchdog:
    """Lag without progress: first not ready, then exit, so that the supervisor starts the service anew."""

    def __init__(self, service: Watched) -> None:
        self._service = service
        self._groups = GroupWatch(service.settings.kafka_options())
        self._seen: dict[str, tuple[int, float]] = {}
        self._said: dict[str, str] = {}

    async def run(self) -> None:
        """Look every few seconds, for ever."""
        try:
            while True:
                await asyncio.sleep(EVERY_SECONDS)
                if broker := self._service.broker:
                    subscribers: list[Any] = list(broker.subscribers)
                    await self._look({one.group_id: one.topic_names_for_subscribe[0] for one in subscribers})
        finally:
            await self._groups.hang_up()

    async def _look(self, topics: Mapping[str, str]) -> None:
        """Measure and judge each consumer group of this service; its topic is the value."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                bounds = await self._groups.bounds(set(topics.values()))
                for group, topic in topics.items():
                    await self._measure(group, topic, {of: ends for of, ends in bounds.items() if of.topic == topic})
        except Exception as error:
            # Kafka is away: that is no consumer's fault.
            log.debug("lag not measured", extra={"error": repr(error)[:200]})
            await self._groups.hang_up()

    async def _measure(self, group: str, topic: str, bounds: Mapping[TopicPartition, Bounds]) -> None:
        committed = await self._groups.committed(group)
        # All of the topic, not what is assigned: a consumer that waits for its partitions for ever has none. What
        # retention has taken away waits for nobody.
        done = {of: max(first, committed.get(of, 0)) for of, (first, _) in bounds.items()}
        lags = {of: max(0, bounds[of].end - done[of]) for of in bounds}
        metrics.SPINE_CONSUMER_LAG_RECORDS.labels(self._service.name, topic).set(sum(lags.values()))
        behind, position = {of for of, lag in lags.items() if lag}, sum(done.values())
        seconds = self._standing(topic, position, behind=bool(behind))
        if seconds > self._limit / 2 and await self._of_others(group, behind):
            # Should they come to this member, its time begins then.
            seconds = self._standing(topic, position, behind=False)
        self._judge(topic, seconds)

    @property
    def _limit(self) -> float:
        return self._service.settings.watchdog_seconds

    def _standing(self, topic: str, position: int, *, behind: bool) -> float:
        """Seconds since the group went on, or had nothing to do."""
        now = monotonic()
        last, since = self._seen.get(topic, (-1, now))
        if not behind or position != last:
            self._seen[topic] = (position, since := now)
        return now - since

    async def _of_others(self, group: str, behind: Set[TopicPartition]) -> bool:
        """Whether other members hold all that waits: theirs to do, and no new start of this one would help."""
        own = self._service.router.client_id
        held = await self._groups.holders(group)
        return all(held.get(partition, own) != own for partition in behind)

    def _judge(self, topic: str, seconds: float) -> None:
        if seconds <= self._limit / 2:
            if self._said.pop(topic, None) == self._service.failed:
                self._service.failed = None
        elif self._service.policy.bugs.stopped:
            # On purpose: a new start would only make dead letters of the next few records. A person has to look.
            return
        elif seconds > self._limit:
            log.critical("consumer stands still; exiting", extra={"topic": topic, "seconds": round(seconds)})
            # A clean shutdown would wait for the very task that is stuck.
            os._exit(70)
        else:
            self._said[topic] = self._service.failed = f"no progress on {topic} for {seconds:.0f} s"
