"""The spool's bounds in time: what has waited too long is refused or dropped, and a backlog goes at a limited rate."""

from pathlib import Path

import pytest

from services.serving import segments
from services.serving.bounds import JournalOptions, SpoolFullError
from services.serving.entries import Head, Message
from services.serving.journal import Journal
from services.serving.pace import Pace
from services.serving.reader import Reader
from services.serving.segments import Checkpoint
from services.serving.shipper import Shipper
from shared.spine.clock import monotonic, wall_now
from tests.serving.test_shipper import FakeProducer, filled

HOUR = 3600.0
NOW = wall_now().timestamp()


async def journal_of(directory: Path, when_full: str, *ages: float) -> Journal:
    """A journal of an hour with one event for each age, in seconds before now."""
    options = JournalOptions(max_age_seconds=HOUR, when_full="drop_oldest" if when_full == "drop_oldest" else "refuse")
    journal = Journal(directory, options)
    # Begun when the first of them came.
    segments.create(directory, 1, Head(at=NOW - max(ages), state=journal.ledger.state()), sync=False)
    await journal.open()
    for number, age in enumerate(ages):
        await add(journal, f"r{number}", NOW - age)
    return journal


async def add(journal: Journal, name: str, at: float) -> None:
    """Append one event of this time."""
    async with journal.locked():
        message = Message("prediction_served", name, [("ce_id", name)], 2)
        journal.append(Head(at=at, use_case="trains", request_id=name, rows=1, messages=[message]), [b"{}"])


async def test_what_has_waited_too_long_is_dropped_and_counted_by_id_range(tmp_path: Path) -> None:
    journal = await journal_of(tmp_path, "drop_oldest", 3 * HOUR, 3 * HOUR, 10.0)
    await add(journal, "new", NOW + 0.2 * HOUR)
    dropped = journal.ledger.dropped
    assert (dropped.predictions, dropped.events) == (2, 2)
    assert (dropped.ranges[0]["first"], dropped.ranges[0]["last"]) == ("r0", "r1")
    kept = [head.request_id for _, _, head, _ in _entries(tmp_path) if head.messages]
    assert kept == ["r2", "new"]
    journal.close()


async def test_or_it_is_kept_and_nothing_new_is_taken_until_kafka_has_it(tmp_path: Path) -> None:
    journal = await journal_of(tmp_path, "refuse", 1.5 * HOUR, 1.5 * HOUR, HOUR + 10)
    for _ in range(2):
        with pytest.raises(SpoolFullError, match="more than 3600 s"):
            await add(journal, "new", NOW + 0.2 * HOUR)
        assert journal.full
    segments.save_checkpoint(tmp_path, Checkpoint(segments.list_segments(tmp_path)[-1], 0, 3))
    await add(journal, "new", NOW + 0.2 * HOUR)
    assert not journal.full
    journal.close()


async def test_young_events_are_left_alone_and_so_is_what_kafka_has(tmp_path: Path) -> None:
    journal = await journal_of(tmp_path, "drop_oldest", 0.9 * HOUR, 30.0)
    segments.save_checkpoint(tmp_path, Checkpoint(2, 0, 1))
    await add(journal, "new", NOW + 0.2 * HOUR)
    assert journal.ledger.dropped.events == 0
    assert [head.request_id for _, _, head, _ in _entries(tmp_path) if head.messages][-2:] == ["r1", "new"]
    journal.close()


@pytest.mark.parametrize("arriving", [0, 300, 5_000])
def test_a_backlog_shrinks_by_the_rate_however_much_comes_in_meanwhile(arriving: int) -> None:
    pace, waiting, now, size = Pace(1000), 60_000.0, 0.0, 500
    pace.begin(60_000, now)
    while waiting >= size:
        seconds = pace.pause(int(waiting), size, now)
        step = max(seconds, 0.01)
        now, waiting = now + step, waiting + arriving * step - size
        assert waiting >= 60_000 - 1000 * now - size
        if now > 60:
            break
    assert 59.0 <= now <= 61.0


def test_without_a_backlog_or_without_a_limit_nothing_waits() -> None:
    calm, free = Pace(1000), Pace(0)
    free.begin(10_000_000, 0.0)
    assert calm.pause(50_000, 50_000, 1.0) == 0.0
    assert free.pause(10_000_000, 500_000, 1.0) == 0.0


async def test_the_shipper_holds_a_backlog_back_and_sends_all_of_it_in_order(tmp_path: Path) -> None:
    names = [f"n{number:03}" for number in range(600)]
    journal = await filled(tmp_path, names)
    producer, reader = FakeProducer(), Reader(tmp_path)
    waiting, begun = reader.waiting_bytes(), monotonic()
    shipper = Shipper({}, reader, producer=producer, pace=Pace(waiting / 0.3))
    shipper.pace.begin(waiting, begun)
    while await shipper.ship():
        pass
    assert producer.sent == names
    assert monotonic() - begun >= 0.29
    journal.close()


def _entries(directory: Path) -> list[tuple[int, int, Head, bytes]]:
    found = (segments.read(segments.path_of(directory, number)) for number in segments.list_segments(directory))
    return [entry for one in found for entry in one]
