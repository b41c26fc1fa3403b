"""A record of a data topic becomes an event or one dead letter; a bug that hits everything stops the consumer."""

from dataclasses import dataclass
from typing import Any

import pytest

from services.monitor import decoding
from services.monitor.decoding import Decoder
from services.monitor.store import Contracts
from shared.events import Event, Record, to_record
from shared.spine.bug_limit import BugLimit, ConsumerStoppedError
from shared.spine.dead_letters import DeadLetters
from shared.spine.errors import TransientError
from tests.feedback.contracts import flights_contract
from tests.feedback.streams import happened, served
from tests.spine.told import KeptPublisher

CONTRACT = flights_contract()


@dataclass(frozen=True)
class Consumed:
    """A record as Kafka hands it over."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]
    offset: int = 0
    partition: int = 0


def consumed(one: Event | Record, offset: int = 0) -> Consumed:
    """What the monitor gets of it."""
    record = to_record(one) if isinstance(one, Event) else one
    return Consumed(record.topic, record.key, record.value, record.headers, offset)


@pytest.fixture
def publisher() -> KeptPublisher:
    """Where the dead letters go."""
    return KeptPublisher()


@pytest.fixture
def bugs() -> BugLimit:
    """Three in a row are too many."""
    return BugLimit("monitor", 3)


@pytest.fixture
def decoder(publisher: KeptPublisher, bugs: BugLimit) -> Decoder:
    """A decoder that knows one contract."""
    contracts = Contracts()
    contracts.put(CONTRACT.digest, CONTRACT.to_json())
    return Decoder(contracts, DeadLetters(publisher, "monitor"), bugs)


def raising(error: Exception) -> Any:
    """A function that fails like this, whatever it is given."""

    def fail(*_given: object) -> None:
        raise error

    return fail


async def test_good_events_come_out_and_leave_nothing_behind(decoder: Decoder, publisher: KeptPublisher) -> None:
    for event in (served("a", contract_digest=CONTRACT.digest), happened({"a/0": "late"})):
        assert await decoder.decode(consumed(event)) == event
    assert publisher.records == []


@pytest.mark.parametrize(
    ("bad", "kind", "error"),
    [
        (Record("prediction_served", b"k", b"{not json", ()), b"malformed", b"MalformedEventError"),
        (served("b", decisions=["fire"], contract_digest=CONTRACT.digest), b"permanent", b"DecisionError"),
        (happened({"a/0": "never heard of"}), b"permanent", b"OutcomeError"),
    ],
)
async def test_what_cannot_be_counted_is_a_dead_letter_of_its_kind(
    decoder: Decoder, publisher: KeptPublisher, bugs: BugLimit, bad: Event | Record, kind: bytes, error: bytes
) -> None:
    for offset in range(10):
        assert await decoder.decode(consumed(bad, offset)) is None
    said = [dict(letter.headers) for letter in publisher.records]
    assert {(one["dead_kind"], one["dead_error"]) for one in said} == {(kind, error)}
    assert (len(said), bugs.stopped) == (10, {})


async def test_bugs_are_dead_letters_until_they_are_too_many_in_a_row(
    decoder: Decoder, publisher: KeptPublisher, bugs: BugLimit, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = served("a", contract_digest=CONTRACT.digest)
    with monkeypatch.context() as broken:
        broken.setattr(decoding, "prediction_problem", raising(KeyError("bug")))
        for offset in (0, 1):
            assert await decoder.decode(consumed(good, offset)) is None
    assert await decoder.decode(consumed(good, 2)) == good
    monkeypatch.setattr(decoding, "prediction_problem", raising(KeyError("bug")))
    for offset in (3, 4):
        assert await decoder.decode(consumed(good, offset)) is None
    for _ in range(2):
        with pytest.raises(ConsumerStoppedError, match=r"prediction_served stopped after 3 bugs in a row: KeyError"):
            await decoder.decode(consumed(good, 5))
    assert [dict(letter.headers)["dead_offset"] for letter in publisher.records] == [b"0", b"1", b"3", b"4"]
    assert list(bugs.stopped) == ["prediction_served"]


async def test_what_is_away_makes_no_dead_letter(
    decoder: Decoder, publisher: KeptPublisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoding, "prediction_problem", raising(TransientError("away")))
    with pytest.raises(TransientError):
        await decoder.decode(consumed(served("a", contract_digest=CONTRACT.digest)))
    assert publisher.records == []
