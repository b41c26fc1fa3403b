"""Lag without progress: first not ready, then the end; progress makes ready again."""

import os
from collections.abc import Collection
from dataclasses import dataclass, field

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaConnectionError
from faststream.kafka import KafkaBroker
from prometheus_client import REGISTRY

from shared.spine import watchdog as module
from shared.spine.dead_letters import DeadLetters
from shared.spine.error_policy import ErrorPolicy
from shared.spine.group import Bounds, GroupWatch
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

    monkeypatch.setattr(os, "_exit", leave)
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


GROUP, TOPIC, FIRST = "registry.model_trained", "model_trained", TopicPartition("model_trained", 0)


class Said(GroupWatch):
    """What Kafka says of a group that has handled `done` of 8 records, of which the first two are gone."""

    def __init__(self, done: int | None = 3, holder: str | None = None) -> None:
        super().__init__({})
        self.done, self.holder = done, holder

    async def bounds(self, _topics: Collection[str]) -> dict[TopicPartition, Bounds]:
        """One partition."""
        return {FIRST: Bounds(2, 8)}

    async def committed(self, _group: str) -> dict[TopicPartition, int]:
        """How far the group is; nothing where it has handled nothing."""
        return {} if self.done is None else {FIRST: self.done}

    async def holders(self, _group: str) -> dict[TopicPartition, str]:
        """Who has the partition."""
        return {FIRST: self.holder} if self.holder else {}


async def look_at(dog: Watchdog, said: Said) -> float | None:
    """One look; gives the lag that was measured."""
    dog._groups = said
    await dog._look({GROUP: TOPIC})
    return REGISTRY.get_sample_value("spine_consumer_lag_records", {"service": "registry", "topic": TOPIC})


@pytest.mark.parametrize(("done", "lag"), [(3, 5), (8, 0), (9, 0), (None, 6), (0, 6)])
async def test_lag_is_measured_under_the_name_of_the_topic(watch: Stopwatch, done: int | None, lag: int) -> None:
    assert await look_at(Watchdog(Watched()), Said(done)) == lag


async def test_what_retention_took_away_waits_for_nobody(watch: Stopwatch, monkeypatch: pytest.MonkeyPatch) -> None:
    async def emptied(_self: Said, _topics: Collection[str]) -> dict[TopicPartition, Bounds]:
        return {FIRST: Bounds(8, 8)}

    monkeypatch.setattr(Said, "bounds", emptied)
    dog = Watchdog(Watched())
    for watch.now in (0, 60, 1e6):
        assert await look_at(dog, Said(None)) == 0


@pytest.mark.parametrize("holder", [None, "headrace-registry-0"])
async def test_a_consumer_that_waits_for_its_partitions_for_ever_is_ended_too(
    watch: Stopwatch, holder: str | None
) -> None:
    dog = Watchdog(Watched())
    await look_at(dog, Said(holder=holder))
    watch.now = 101
    with pytest.raises(SystemExit, match="70"):
        await look_at(dog, Said(holder=holder))


async def test_what_comes_from_another_member_has_its_whole_time(watch: Stopwatch) -> None:
    service = Watched()
    dog = Watchdog(service)
    for watch.now in (0, 60, 200, 1000):
        await look_at(dog, Said(holder="headrace-registry-1"))
    watch.now = 1040
    await look_at(dog, Said())
    assert service.unready() is None
    watch.now = 1101
    with pytest.raises(SystemExit, match="70"):
        await look_at(dog, Said())


async def test_kafka_being_away_is_no_fault_of_a_consumer(watch: Stopwatch, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(_self: Said, _group: str) -> dict[TopicPartition, int]:
        raise KafkaConnectionError

    service = Watched()
    dog = Watchdog(service)
    await look_at(dog, Said())
    with monkeypatch.context() as kafka:
        kafka.setattr(Said, "committed", away)
        for watch.now in (60, 1e6):
            await look_at(dog, Said())
    assert service.unready() is None
