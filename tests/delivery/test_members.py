"""Two members of one service, and a record that nobody finishes: only the member that holds it is to blame."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from headrace.embedded_kafka import EmbeddedKafka
from shared.events import TrainingRequested
from shared.spine import watchdog as module
from shared.spine.app import Service
from shared.spine.group import Bounds, GroupWatch
from shared.spine.settings import SpineSettings
from shared.spine.topics import provision
from shared.spine.watchdog import Watchdog
from tests.delivery.seen import TOPIC, ask, asked, running, until
from tests.delivery.tiny_service import Points, tiny_service

pytestmark = pytest.mark.kafka
ONLY, GROUP = TopicPartition(TOPIC, 0), f"pair.{TOPIC}"


class Held(Points):
    """A handler that never ends; says by which event it was reached."""

    def __init__(self) -> None:
        self.by: set[str] = set()

    async def reach(self, _point: str, event: TrainingRequested) -> None:
        """Stand still."""
        self.by.add(event.id)
        await asyncio.Event().wait()


class Ended(SystemExit):
    """The watchdog has ended the process."""


async def look_again(service: Service, monkeypatch: pytest.MonkeyPatch) -> str | None:
    """What the watchdog makes of a service after an hour in which nothing moved; raises Ended."""
    now, dog = 0.0, Watchdog(service)
    monkeypatch.setattr(module, "monotonic", lambda: now)
    try:
        await dog._look({GROUP: TOPIC})
        now = 3600.0
        await dog._look({GROUP: TOPIC})
    finally:
        await dog._groups.hang_up()
    return service.failed


@pytest.fixture
async def groups(kafka: str) -> AsyncIterator[GroupWatch]:
    """Asks the broker of the tests."""
    watch = GroupWatch(SpineSettings(kafka=kafka).kafka_options())
    yield watch
    await watch.hang_up()


async def test_a_spare_member_is_not_ended_for_a_record_that_another_holds(
    kafka: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, groups: GroupWatch
) -> None:
    def leave(code: int) -> None:
        raise Ended(code)

    monkeypatch.setattr(os, "_exit", leave)
    held, event = Held(), asked()
    homes = [SpineSettings(home=tmp_path / str(number), kafka=kafka, instance=number) for number in range(2)]
    members = [tiny_service(settings, held, "pair") for settings in homes]
    async with AsyncExitStack() as stack:
        for member in members:
            await stack.enter_async_context(running(member))
        await ask(kafka, event)

        async def reached() -> bool:
            return bool(held.by)

        await until(reached)
        holder = (await groups.holders(GROUP))[ONLY]
        (holds,), (spare,) = (
            [one for one in members if (one.router.client_id == holder) is wanted] for wanted in (True, False)
        )
        assert await look_again(spare, monkeypatch) is None
        with pytest.raises(Ended, match="70"):
            await look_again(holds, monkeypatch)
        # The one that holds it has stopped on purpose: that keeps both from being ended.
        holds.policy.bugs.stopped[TOPIC] = "bugs"
        assert await look_again(holds, monkeypatch) is None
        assert await look_again(spare, monkeypatch) is None


async def test_kafka_says_how_far_a_group_is_and_who_holds_what(kafka: str, tmp_path: Path, groups: GroupWatch) -> None:
    group, event = f"leaver.{TOPIC}", asked()
    async with running(tiny_service(SpineSettings(home=tmp_path, kafka=kafka), name="leaver")):
        await ask(kafka, event)
        first, end = (await groups.bounds({TOPIC}))[ONLY]

        async def handled() -> bool:
            return (await groups.committed(group)).get(ONLY) == end

        await until(handled)
        assert await groups.holders(group) == {ONLY: "headrace-leaver-0"}
    assert await groups.holders("never_there") == {}
    assert await groups.committed("never_there") == {}
    assert first < end


async def test_a_watch_finds_kafka_again(kafka_node: EmbeddedKafka, tmp_path: Path) -> None:
    watch = GroupWatch(SpineSettings(kafka=kafka_node.start()).kafka_options())
    await provision(watch._options)
    assert await watch.bounds({TOPIC}) == {ONLY: Bounds(0, 0)}
    kafka_node.kill()
    with pytest.raises((KafkaError, TimeoutError)):
        async with asyncio.timeout(10):
            await watch.bounds({TOPIC})
    await watch.hang_up()
    kafka_node.start()
    assert await watch.bounds({TOPIC}) == {ONLY: Bounds(0, 0)}
    await watch.hang_up()
