"""Reads well-formed events of the two data topics quickly; whatever is unusual is left to `from_record`.

It takes less than `from_record` does and never anything else: what it returns holds what that would have returned
(tests/events/test_quick.py). So it needs no reasons: whoever gets None reads the record again, thoroughly.
"""

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta

from shared.events.base import MAX_ROWS, SAFE_INTEGER
from shared.events.predictions import OutcomeRecorded, PredictionServed
from shared.events.records import CONTENT_TYPE, HEADER_OF, MAX_BYTES, Headers

K = TypeVar("K")
V = TypeVar("V")
# Names, digests and headers come again and again: what was found good is remembered, so many of each.
_REMEMBERED = 10_000
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_LONGEST = 256

Short = Annotated[str, Meta(min_length=1, max_length=_LONGEST)]
Category = Annotated[str, Meta(max_length=_LONGEST)]
Count = Annotated[int, Meta(ge=0, le=SAFE_INTEGER)]
Digest = Annotated[str, Meta(min_length=64, max_length=64)]
# Times are text until `_instant` has read them as `from_record` does.
Times = Annotated[list[Any], Meta(max_length=MAX_ROWS)]


class Served(msgspec.Struct, forbid_unknown_fields=True):
    """An answered `prediction_served`, with the fields of `PredictionServed` that say something about its rows."""

    use_case: str
    request_id: Annotated[str, Meta(pattern=r"^[A-Za-z0-9._:\-]{1,128}\Z")]
    status: Literal["answered"]
    event_times: Times
    release_sequence: Annotated[int, Meta(ge=1, le=SAFE_INTEGER)]
    package_digest: Digest
    behaviour_digest: Digest
    contract_digest: Digest
    first_position: Count = 0
    error: Annotated[str, Meta(max_length=4096)] | None = None
    latency_ms: Annotated[float, Meta(ge=0)] = 0.0
    blocks: list[Short] = []
    scores: list[Annotated[list[float], Meta(min_length=1, max_length=1000)]] = []
    decisions: list[Short] = []
    reasons: list[Short] = []
    places: list[Count | None] = []
    propensities: list[Annotated[float, Meta(ge=0, le=1)]] = []
    arms: list[Short] = []
    flagged: list[Annotated[list[str], Meta(max_length=1000)]] = []
    numbers: Annotated[dict[str, list[float | None]], Meta(max_length=1000)] = {}
    categories: Annotated[dict[str, list[Category | None]], Meta(max_length=1000)] = {}
    id: str = ""


class ToldOutcome(msgspec.Struct, forbid_unknown_fields=True):
    """One outcome. What is unknown is left to the thorough way, since msgspec does not look into what it skips."""

    prediction_id: Annotated[str, Meta(pattern=r"^[A-Za-z0-9._:\-]{1,128}/[0-9]{1,9}\Z")]
    known_at: Any
    label: Short | None = None
    value: float | None = None


class Told(msgspec.Struct, forbid_unknown_fields=True):
    """An `outcome_recorded`."""

    use_case: str
    outcomes: Annotated[list[ToldOutcome], Meta(min_length=1, max_length=MAX_ROWS)]
    id: str = ""
    source: str = ""


class _Places(msgspec.Struct, frozen=True):
    """Where the attributes stand among the headers of a sender."""

    constants: tuple[int, ...]
    id: int
    source: int
    time: int
    optional: tuple[int, ...]


class QuickReader:
    """Reads records of one process; remembers what it found good."""

    def __init__(self) -> None:
        self._served, self._told = msgspec.json.Decoder(Served), msgspec.json.Decoder(Told)
        self._good: dict[object, None] = {}
        self._places: dict[tuple[str, ...], _Places] = {}
        self._sources: dict[bytes | None, str] = {}

    def served(self, value: bytes | None, headers: Headers) -> Served | None:
        """The event of an answered request; None where `from_record` has to look."""
        try:
            name, _ = self._attributes(PredictionServed.topic, headers)
            event = self._served.decode(_plain(value))
            event.event_times = [_instant(time) for time in event.event_times]
        except _UNUSUAL:
            return None
        event.id = name
        return event if self._has_good_names(event) and _has_rows(event) else None

    def told(self, value: bytes | None, headers: Headers) -> Told | None:
        """The event of outcomes; None where `from_record` has to look."""
        try:
            name, source = self._attributes(OutcomeRecorded.topic, headers)
            event = self._told.decode(_plain(value))
            for one in event.outcomes:
                one.known_at = _instant(one.known_at)
                if (one.label is None) == (one.value is None):
                    return None
        except _UNUSUAL:
            return None
        event.id, event.source = name, source
        return event if _NAME.fullmatch(event.use_case) else None

    def _attributes(self, topic: str, headers: Headers) -> tuple[str, str]:
        """Id and source, where each header that means something is there once and good; raises one of _UNUSUAL."""
        names, said = zip(*headers, strict=True)
        places = self._places.get(names) or _keep(self._places, names, _places_in(names))
        if tuple([said[place] for place in places.constants]) != _CONSTANTS[topic]:
            raise ValueError(topic)
        name, source = _short(said[places.id]), said[places.source]
        _instant(said[places.time].decode())
        for place in places.optional:
            if said[place] != said[places.id]:
                _short(said[place])
        return name, self._sources.get(source) or _keep(self._sources, source, _short(source))

    def _has_good_names(self, event: Served) -> bool:
        digests = (event.package_digest, event.behaviour_digest, event.contract_digest)
        if digests not in self._good:
            if not all(map(_DIGEST.fullmatch, digests)):
                return False
            _keep(self._good, digests, None)
        shape = (event.use_case, *event.numbers, *event.categories)
        if shape not in self._good:
            if not all(map(_NAME.fullmatch, shape)):
                return False
            _keep(self._good, shape, None)
        return all(_NAME.fullmatch(name) for names in event.flagged for name in names)


# What is raised where something is not as plain as it must be here.
_UNUSUAL = (msgspec.MsgspecError, ValueError, TypeError, AttributeError, OverflowError, RecursionError)
_CONSTANT = ("ce_specversion", "ce_type", "content-type")
_CONSTANTS = {
    kind.topic: (b"1.0", kind.topic.encode(), CONTENT_TYPE.encode()) for kind in (PredictionServed, OutcomeRecorded)
}
_NEEDED = {*_CONSTANT, "ce_id", "ce_source", "ce_time"}
_OURS = {*_CONSTANT, *HEADER_OF.values()}
_OPTIONAL = ("ce_correlationid", "ce_causationid")


def _places_in(names: tuple[str, ...]) -> _Places:
    """A sender says them in one order, so that few orders are met. Raises ValueError for one that is not plain."""
    read = [name for name in names if name.lower().startswith("ce_") or name.lower() == "content-type"]
    if len(set(read)) < len(read) or not _NEEDED <= set(read) <= _OURS:
        raise ValueError(read)
    place = names.index
    optional = tuple(place(name) for name in _OPTIONAL if name in read)
    constants = tuple(place(name) for name in _CONSTANT)
    return _Places(constants, place("ce_id"), place("ce_source"), place("ce_time"), optional)


def _keep(memory: dict[K, V], key: K, value: V) -> V:
    if len(memory) >= _REMEMBERED:
        memory.clear()
    memory[key] = value
    return value


def _plain(value: bytes | None) -> bytes:
    """The body, of a size that is allowed and without NUL in any text. Raises ValueError."""
    if value is None or len(value) > MAX_BYTES or b"\\u0000" in value:
        raise ValueError("body")
    return value


def _has_rows(event: Served) -> bool:
    """Each list has one entry for each row."""
    rows = len(event.event_times)
    lengths = {
        *(len(event.blocks), len(event.scores), len(event.decisions), len(event.reasons), len(event.places)),
        *(len(event.propensities), len(event.arms), len(event.flagged)),
        *map(len, event.numbers.values()),
        *map(len, event.categories.values()),
    }
    return rows > 0 and lengths == {rows}


def _instant(said: str) -> datetime:
    """The moment in UTC. Raises ValueError, TypeError or OverflowError."""
    if said[4:5] != "-":
        raise ValueError(said)
    moment = datetime.fromisoformat(said)
    if moment.tzinfo is UTC:
        return moment
    if moment.tzinfo is None:
        raise ValueError(said)
    return moment.astimezone(UTC)


def _short(said: bytes | None) -> str:
    """Text of 1 to 256 characters without NUL. Raises ValueError, AttributeError."""
    text = said.decode()  # type: ignore[union-attr]
    if not 0 < len(text) <= _LONGEST or "\0" in text:
        raise ValueError(text)
    return text
