"""Dead-letter topics as Kafka hands them over, for tests."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from shared.events import Record
from shared.events.dead import DeadKind, DeadLetterSettled
from shared.spine.dead_letters import dead_letter
from tests.events.records import record

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
GOOD = record("model_trained")


@dataclass(frozen=True)
class Consumed:
    """A record as Kafka hands it over."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]
    offset: int = 0
    partition: int = 0
    timestamp: int = 0


def refused(
    value: bytes | None = GOOD.value,
    *,
    kind: DeadKind = "permanent",
    reason: str = "permanent: no",
    service: str = "registry",
    topic: str = "model_trained",
    offset: int = 0,
    like: Record = GOOD,
) -> Record:
    """The letter of a record that lay at an offset of its topic."""
    original = Consumed(topic, like.key, value, like.headers, offset)
    return dead_letter(original, reason, "SomeError", service, kind)


def settled(letter: str, act: Any = "replayed", **changed: Any) -> Record:
    """What somebody has said of a letter."""
    event = DeadLetterSettled.begin(source="test", time=NOON, letter=letter, act=act, by="ada", **changed)
    return event.record(letter.partition("/")[0])


def appended(*records: Record) -> list[Consumed]:
    """These records in the order of appending, a minute apart, each at the next offset of its topic."""
    ends: dict[str, int] = {}
    found = []
    for number, one in enumerate(records):
        offset = ends[one.topic] = ends.get(one.topic, -1) + 1
        at = int((NOON + timedelta(minutes=number)).timestamp() * 1000)
        found.append(Consumed(one.topic, one.key, one.value, one.headers, offset, timestamp=at))
    return found
