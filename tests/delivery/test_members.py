"""Two members of one service, and a record that nobody finishes: only the member that holds it is to blame."""

import asyncio
import os
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from aiokafka import TopicPartition

from shared.events import TrainingRequested
from shared.spine import watchdog as module
from shared.spine.app import Service
from shared.spine.group import holders
from shared.spine.settings import SpineSettings
from shared.spine.watchdog import Watchdog
from tests.delivery.seen import TOPIC, ask, asked, running, until
from tests.delivery.tiny_service import Points, tiny_service

pytestmark = pytest.mark.kafka
ONLY = TopicPartition(TOPIC, 0)


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
    assert service.broker
    (subscriber,) = service.broker.subscribers
    now, dog = 0.0, Watchdog(service)
    monkeypatch.setattr(module, "monotonic", lambda: now)
    await dog._look(subscriber)
    now = 3600.0
    await dog._look(subscriber)
    return service.failed


async def test_a_spare_member_is_not_ended_for_a_record_that_another_holds(
    kafka: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
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
        holder = (await holders(homes[0].kafka_options(), f"pair.{TOPIC}"))[ONLY]
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


async def test_a_partition_that_no_member_holds_is_held_by_nobody(kafka: str, tmp_path: Path) -> None:
    settings = SpineSettings(home=tmp_path, kafka=kafka)
    async with running(tiny_service(settings, name="leaver")):
        assert await holders(settings.kafka_options(), f"leaver.{TOPIC}") == {ONLY: "headrace-leaver-0"}
    assert await holders(settings.kafka_options(), "never_there") == {}
