"""The shipper: in order, at least once, past what can never be sent, over rolls, drops and torn tails."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from aiokafka.errors import KafkaConnectionError, MessageSizeTooLargeError

from services.serving import segments
from services.serving.bounds import JournalOptions
from services.serving.entries import Head, Message
from services.serving.journal import Journal
from services.serving.reader import Reader
from services.serving.shipper import Shipper, hold


class FakeProducer:
    """Takes what it is given, refuses what is too large, and breaks when told to."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.broken = False

    async def send(
        self, topic: str, value: bytes, key: bytes, headers: Sequence[tuple[str, bytes]]
    ) -> "asyncio.Future[None]":
        if len(value) > 1000:
            raise MessageSizeTooLargeError
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self.broken:
            future.set_exception(KafkaConnectionError())
        else:
            self.sent.append(key.decode())
            future.set_result(None)
        return future

    async def stop(self) -> None:
        """Nothing to flush."""


async def filled(directory: Path, names: Sequence[str], options: JournalOptions | None = None) -> Journal:
    """A journal with one event for each name; a name in capitals has a body that no topic takes."""
    journal = Journal(directory, options)
    await journal.open()
    for name in names:
        body = b"x" * (2000 if name.isupper() else 10)
        async with journal.locked():
            message = Message("prediction_served", name, [("ce_id", f"id-{name}")], len(body))
            journal.append(Head(at=1.0, use_case="trains", request_id=name, rows=1, messages=[message]), [body])
    return journal


def shipper_of(directory: Path) -> tuple[Shipper, FakeProducer]:
    """A shipper whose producer is the fake."""
    producer = FakeProducer()
    return Shipper({}, Reader(directory), producer=producer), producer


async def test_events_go_out_once_and_in_order_over_many_segments(tmp_path: Path) -> None:
    names = [f"n{number:03}" for number in range(60)]
    journal = await filled(tmp_path, names, JournalOptions(segment_bytes=2000, max_bytes=100_000))
    assert len(segments.list_segments(tmp_path)) > 3
    shipper, producer = shipper_of(tmp_path)
    while await shipper.ship():
        pass
    assert producer.sent == names
    assert journal.unacknowledged() == 0
    again, silent = shipper_of(tmp_path)
    assert await again.ship() == 0
    assert silent.sent == []
    journal.close()


async def test_what_was_not_acknowledged_is_sent_again(tmp_path: Path) -> None:
    journal = await filled(tmp_path, ["a", "b"])
    shipper, producer = shipper_of(tmp_path)
    producer.broken = True
    with pytest.raises(KafkaConnectionError):
        await shipper.ship()
    assert journal.unacknowledged() == 2
    producer.broken = False
    assert await shipper.ship() == 2
    assert producer.sent == ["a", "b"]
    assert journal.unacknowledged() == 0
    journal.close()


async def test_an_event_that_no_topic_takes_is_kept_in_a_file_and_blocks_nothing(tmp_path: Path) -> None:
    journal = await filled(tmp_path, ["a", "HUGE", "b"])
    shipper, producer = shipper_of(tmp_path)
    await shipper.ship()
    assert producer.sent == ["a", "b"]
    kept = json.loads((tmp_path / "dead" / "id-HUGE.json").read_text())
    assert (kept["key"], len(kept["value"])) == ("HUGE", 2000)
    assert journal.unacknowledged() == 0
    journal.close()


async def test_a_write_under_way_is_left_until_it_is_whole(tmp_path: Path) -> None:
    journal = await filled(tmp_path, ["a", "b"])
    path = segments.path_of(tmp_path, 1)
    whole = path.read_bytes()
    path.write_bytes(whole[:-5])
    shipper, producer = shipper_of(tmp_path)
    while await shipper.ship():
        pass
    assert producer.sent == ["a"]
    path.write_bytes(whole)
    await shipper.ship()
    assert producer.sent == ["a", "b"]
    journal.close()


async def test_what_a_full_spool_dropped_is_passed_over(tmp_path: Path) -> None:
    options = JournalOptions(segment_bytes=1000, max_bytes=4000, when_full="drop_oldest")
    journal = await filled(tmp_path, ["a"], options)
    shipper, producer = shipper_of(tmp_path)
    await shipper.ship()
    journal.close()
    journal = await filled(tmp_path, [f"n{number:03}" for number in range(60)], options)
    while await shipper.ship():
        pass
    dropped = journal.ledger.dropped.predictions
    assert dropped > 0
    assert producer.sent == ["a", *[f"n{number:03}" for number in range(dropped, 60)]]
    assert journal.unacknowledged() == 0
    journal.close()


def test_a_host_has_one_shipper(tmp_path: Path) -> None:
    assert hold(tmp_path / "shipper.lock") is not None
    assert hold(tmp_path / "shipper.lock") is None
