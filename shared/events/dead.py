"""Dead letters as records: what is added to the original, how to take it off again, and what became of a letter."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Literal

from shared.events.base import Digest, Event, Short, Text
from shared.events.records import MalformedEventError, Record, from_record, to_record
from shared.events.topics import DEAD_SUFFIX

DeadKind = Literal["malformed", "permanent", "bug"]
DeadHeaders = Iterable[tuple[str, bytes | None]]
_FIRST = "dead_reason"
_LONGEST_REASON = 1000


@dataclass(frozen=True)
class Refusal:
    """Who could not process a record, why, and where the record lies."""

    reason: str
    error: str
    service: str
    kind: str
    topic: str
    partition: int
    offset: int


class DeadLetterSettled(Event):
    """A person has dealt with a dead letter: its original was written again, or it was put aside for good.

    It has no topic of its own: it lies in the `.dead` topic of the letter that it names, behind it.
    """

    topic: ClassVar[str] = "dead_letter_settled"
    publishers: ClassVar[tuple[str, ...]] = ("operator",)

    letter: Short
    act: Literal["replayed", "discarded"]
    by: Short
    reason: Text = ""
    # Of the original, where it has a readable one.
    event_id: Short | None = None
    # SHA-256 of the body that was written instead of the original's.
    body_digest: Digest | None = None

    @property
    def key(self) -> str:
        """Beside nothing else: a dead-letter topic has one partition."""
        return self.letter

    def record(self, dead_topic: str) -> Record:
        """What goes to the topic of the letter."""
        record = to_record(self)
        return Record(dead_topic, record.key, record.value, record.headers)


def with_refusal(
    key: bytes | None, value: bytes | None, headers: Iterable[tuple[str, bytes | None]], refusal: Refusal
) -> Record:
    """The dead letter: key, value and headers of the original byte for byte, and ours behind them."""
    said = {
        _FIRST: refusal.reason[:_LONGEST_REASON],
        "dead_error": refusal.error,
        "dead_kind": refusal.kind,
        "dead_service": refusal.service,
        "dead_topic": refusal.topic,
        "dead_partition": str(refusal.partition),
        "dead_offset": str(refusal.offset),
    }
    if value is None and key is None:
        # The producer refuses a record with neither; the header tells the two kinds of empty apart.
        value, said["dead_null_value"] = b"", "true"
    ours = ((name, text.encode("utf-8", "replace")) for name, text in said.items())
    return Record(refusal.topic + DEAD_SUFFIX, key, value, (*headers, *ours))  # type: ignore[arg-type]


def without_refusal(key: bytes | None, value: bytes | None, headers: DeadHeaders) -> tuple[Record, Refusal] | None:
    """The original as it was, and who refused it; None for a record that no consumer of ours has written."""
    given = list(headers)
    # Our headers come last: a sender may have used the same names before us.
    first = max((at for at, (name, _) in enumerate(given) if name == _FIRST), default=len(given))
    said = {name: (text or b"").decode("utf-8", "replace") for name, text in given[first:]}
    try:
        refusal = Refusal(
            reason=said[_FIRST],
            error=said["dead_error"],
            service=said["dead_service"],
            kind=said.get("dead_kind") or _kind_of(said),
            topic=said["dead_topic"],
            partition=int(said["dead_partition"]),
            offset=int(said["dead_offset"]),
        )
    except (KeyError, ValueError):
        return None
    original = None if "dead_null_value" in said else value
    return Record(refusal.topic, key, original, tuple(given[:first])), refusal  # type: ignore[arg-type]


def settled_in(value: bytes | None, headers: DeadHeaders) -> DeadLetterSettled | None:
    """What a record of a dead-letter topic says about an earlier one; None when it is a letter itself.

    A letter may carry a stranger's headers, and so those of a marker: what is a letter is never a marker.
    """
    given = list(headers)
    if without_refusal(None, value, given) is not None:
        return None
    try:
        return from_record(DeadLetterSettled, value, given)
    except MalformedEventError:
        return None


def _kind_of(said: dict[str, str]) -> DeadKind:
    """Of letters that were written before the kind had a header of its own."""
    if said[_FIRST].startswith("bug:"):
        return "bug"
    return "malformed" if said["dead_error"] == "MalformedEventError" else "permanent"
