"""Lag without progress: first not ready, then the end; progress makes ready again."""

import os
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiokafka import TopicPartition
from faststream.kafka import KafkaBroker, KafkaRouter
from prometheus_client import REGISTRY

from shared.spine import watchdog as module
from shared.spine.dead_letters import DeadLetters
from shared.spine.error_policy import ErrorPolicy
from shared.spine.settings import SpineSettings
from shared.spine.subscribe import ServiceRouter
from shared.spine.watchdog import Watchdog
from tests.spine.told import KeptPublisher


@dataclass
class Watched:
    """A service as far as the watchdog knows it."""

    name: str = "registry"
    settings: SpineSettings = field(default_factory=lambda: SpineSettings(watchdog_seconds=100.0))
    router: ServiceRouter = field(default_factory=lambda: ServiceRouter("registry"))
    broker: KafkaBroker | None = None
    policy: ErrorPolicy = field(default_factory=lambda: ErrorPolicy("registry", DeadLetters(KeptPublisher(), "")))
    failed: str | None = None

    def unready(self) -> str | None:
        """Why the service is not ready (a call, so that nobody assumes that it stays as it was)."""
        return self.failed


class Stopwatch:
    """A clock that the test moves."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Stopwatch:
    """The time that the watchdog sees."""
    stopwatch = Stopwatch()
    monkeypatch.setattr(module, "monotonic", stopwatch)

    def leave(code: int) -> None:
        raise SystemExit(code)

    async def nobody(_options: dict[str, Any], _group: str) -> dict[TopicPartition, str]:
        return {}

    monkeypatch.setattr(os, "_exit", leave)
    monkeypatch.setattr(module, "holders", nobody)
    return stopwatch


def look(dog: Watchdog, position: int, *, behind: bool = True, topic: str = "model_trained") -> None:
    """What the watchdog concludes from one measurement."""
    dog._judge(topic, dog._standing(topic, position, behind=behind))


def test_a_consumer_that_stands_still_is_first_not_ready_and_then_ended(watch: Stopwatch) -> None:
    service = Watched()
    dog = Watchdog(service)
    look(dog, 5)
    watch.now = 40
    look(dog, 5)
    assert service.unready() is None
    watch.now = 60
    look(dog, 5)
    assert service.unready() == "no progress on model_trained for 60 s"
    watch.now = 101
    with pytest.raises(SystemExit, match="70"):
        look(dog, 5)


def test_progress_makes_the_service_ready_again(watch: Stopwatch) -> None:
    service = Watched()
    dog = Watchdog(service)
    look(dog, 5)
    watch.now = 60
    look(dog, 5)
    assert service.unready()
    look(dog, 6)
    assert service.unready() is None


def test_progress_on_one_topic_does_not_hide_another_that_stands_still(watch: Stopwatch) -> None:
    service = Watched()
    dog = Watchdog(service)
    look(dog, 5)
    look(dog, 1, topic="time_advanced")
    watch.now = 60
    look(dog, 5)
    look(dog, 2, topic="time_advanced")
    assert service.unready() == "no progress on model_trained for 60 s"


def test_a_consumer_with_nothing_to_do_may_rest_for_ever(watch: Stopwatch) -> None:
    service = Watched()
    dog = Watchdog(service)
    for hour in range(100):
        watch.now = hour * 3600.0
        look(dog, 5, behind=False)
    look(dog, 5)
    assert service.unready() is None


def test_a_consumer_that_stopped_on_purpose_is_not_ended(watch: Stopwatch) -> None:
    service = Watched()
    service.policy.bugs.stopped["model_trained"] = "bugs"
    dog = Watchdog(service)
    for watch.now in (0, 60, 101, 1e6):
        look(dog, 5)
    assert service.unready() is None


class Lagging:
    """A consumer that has handled 3 of 8 records, and waits for partitions to be assigned."""

    def partitions_for_topic(self, _topic: str) -> set[int]:
        """One."""
        return {0}

    async def end_offsets(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        """Where the topic ends."""
        return dict.fromkeys(partitions, 8)

    async def committed(self, _partition: TopicPartition) -> int:
        """How far it is."""
        return 3


async def test_lag_is_measured_under_the_name_of_the_topic(watch: Stopwatch) -> None:
    router = KafkaRouter()
    subscriber: Any = router.subscriber("model_trained", group_id="registry.model_trained")
    KafkaBroker(routers=[router])
    subscriber.consumer = Lagging()
    await Watchdog(Watched())._look(subscriber)
    labels = {"service": "registry", "topic": "model_trained"}
    assert REGISTRY.get_sample_value("spine_consumer_lag_records", labels) == 5


async def test_a_consumer_that_waits_for_its_partitions_for_ever_is_ended_too(watch: Stopwatch) -> None:
    router = KafkaRouter()
    subscriber: Any = router.subscriber("model_trained", group_id="registry.model_trained")
    KafkaBroker(routers=[router])
    subscriber.consumer = Lagging()
    dog = Watchdog(Watched())
    await dog._look(subscriber)
    watch.now = 101
    with pytest.raises(SystemExit, match="70"):
        await dog._look(subscriber)


async def test_what_comes_from_another_member_has_its_whole_time(
    watch: Stopwatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def other(_options: dict[str, Any], _group: str) -> dict[TopicPartition, str]:
        return {TopicPartition("model_trained", 0): "headrace-registry-1"}

    router = KafkaRouter()
    subscriber: Any = router.subscriber("model_trained", group_id="registry.model_trained")
    KafkaBroker(routers=[router])
    subscriber.consumer = Lagging()
    service = Watched()
    dog = Watchdog(service)
    with monkeypatch.context() as held:
        held.setattr(module, "holders", other)
        for watch.now in (0, 60, 200, 1000):
            await dog._look(subscriber)
    watch.now = 1040
    await dog._look(subscriber)
    assert service.unready() is None
    watch.now = 1101
    with pytest.raises(SystemExit, match="70"):
        await dog._look(subscriber)
