"""The relay publishes in the order of the outbox, deletes only what is acknowledged, and goes on after failures."""

import asyncio

import pytest

from shared.events import from_record
from shared.events.lifecycle import TrainingRequested
from shared.spine import relay as relay_module
from shared.spine.db import Database
from shared.spine.errors import TransientError
from shared.spine.outbox import add_to_outbox, waiting
from shared.spine.relay import Relay
from tests.spine.told import KeptPublisher, asked


def reasons(publisher: KeptPublisher) -> list[str]:
    """What came out, in order."""
    return [from_record(TrainingRequested, r.value, r.headers).reason for r in publisher.records]


async def fill(db: Database, *names: str) -> None:
    """Put events into the outbox."""
    async with db.transaction() as session:
        add_to_outbox(session, *(asked(name) for name in names))


async def test_events_go_out_in_the_order_in_which_they_were_written(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay_module, "BATCH", 7)
    names = [str(number) for number in range(40)]
    await fill(db, *names[:25])
    await fill(db, *names[25:])
    publisher = KeptPublisher()
    relay = Relay(db, publisher, "test")
    while await relay.publish_batch():
        pass
    assert reasons(publisher) == names
    async with db.read() as session:
        assert await waiting(session) == 0


async def test_what_kafka_did_not_take_stays(db: Database) -> None:
    await fill(db, "a", "b")
    publisher = KeptPublisher()
    publisher.refusals = 1
    relay = Relay(db, publisher, "test")
    with pytest.raises(TransientError):
        await relay.publish_batch()
    async with db.read() as session:
        assert await waiting(session) == 2
    assert await relay.publish_batch() == 2
    assert reasons(publisher) == ["a", "b"]


async def test_an_event_keeps_its_bytes_on_the_way_through_the_outbox(db: Database) -> None:
    from shared.events import to_record

    event = asked("ünïcode ✓")
    async with db.transaction() as session:
        add_to_outbox(session, event)
    publisher = KeptPublisher()
    await Relay(db, publisher, "test").publish_batch()
    assert publisher.records == [to_record(event)]


async def test_the_relay_wakes_up_at_a_commit_and_survives_an_outage(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay_module, "IDLE_SECONDS", 60.0)
    publisher = KeptPublisher()
    publisher.refusals = 2
    task = asyncio.create_task(Relay(db, publisher, "test").run())
    async with asyncio.timeout(10):
        for names in (["a", "b"], ["c"]):
            await fill(db, *names)
            while not await emptied(db):
                db.changed.clear()
                await db.changed.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert reasons(publisher) == ["a", "b", "c"]


async def emptied(db: Database) -> bool:
    """Whether nothing waits any more."""
    async with db.read() as session:
        return await waiting(session) == 0
