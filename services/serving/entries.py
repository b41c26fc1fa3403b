"""PURE: what one entry of the spool says: the events to ship, and the bookkeeping that every worker needs of them.

Payload = head (JSON) + newline + the bodies of the events, one after the other. The head alone is enough to count
capacity and to find a request again, so that readers need not parse a single event body.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

Taken = dict[str, dict[str, int]]


class Message(msgspec.Struct, frozen=True, array_like=True):
    """One event of an entry: where it goes, its headers, the size of its body in bytes."""

    topic: str
    key: str
    headers: list[tuple[str, str]]
    size: int


class Head(msgspec.Struct, frozen=True, omit_defaults=True):
    """Bookkeeping of one entry.

    `taken` is the capacity that its decisions took, by block and decision. `digest` is that of the request's records
    and `block` its latest block when the client named the request itself: only such requests can be asked for again.
    `classes` (multiclass) and `estimates` (regression) are what the answer says beyond the events; `arms`: whether it
    says the arm of each row.
    `state` is the whole state before this entry; the first entry of each segment carries it, so that old ones may go.
    """

    at: float
    use_case: str = ""
    request_id: str = ""
    digest: str = ""
    block: str = ""
    classes: list[str] = []
    estimates: list[float] = []
    taken: Taken = {}
    rows: int = 0
    arms: bool = False
    messages: list[Message] = []
    state: dict[str, Any] | None = None
    dropped: dict[str, Any] | None = None


_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(Head)


def encode(head: Head, bodies: Sequence[bytes] = ()) -> bytes:
    """Return the payload of an entry."""
    return b"".join((_ENCODER.encode(head), b"\n", *bodies))


def decode_head(payload: bytes) -> tuple[Head, int]:
    """Return the head and where the bodies start; raises ValueError for a payload that is not an entry."""
    end = payload.find(b"\n")
    if end < 0:
        raise ValueError("an entry without a head")
    return _DECODER.decode(payload[:end]), end + 1


def bodies(head: Head, payload: bytes, start: int) -> Iterator[tuple[Message, bytes]]:
    """Yield each event of an entry with its body."""
    for message in head.messages:
        yield message, payload[start : start + message.size]
        start += message.size
