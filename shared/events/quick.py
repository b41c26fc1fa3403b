"""Reads well-formed events of the two data topics quickly; whatever is unusual is left to `from_record`.

It takes less than `from_record` does and never anything else: what it returns holds what that would have returned
(tests/events/test_quick.py). So it needs no reasons: whoever gets None reads the record again, thoroughly.
"""

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from shared.events.base import MAX_ROWS, SAFE_INTEGER
from shared.events.predictions import OutcomeRecorded, PredictionServed
from shared.events.records import CONTENT_TYPE, HEADER_OF, MAX_BYTES, Headers

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


class QuickReader:
    """Reads records of one process; remembers what it found good."""

    def __init__(self) -> None:
        self._served, self._told = msgspec.json.Decoder(Served), msgspec.json.Decoder(Told)
        self._good: set[object] = set()

    def served(self, value: bytes | None, headers: Headers) -> Served | None:
        """The event of an answered request; None where `from_record` has to look."""
        if (attributes := self._attributes(PredictionServed.topic, headers)) is None or not _is_plain(value):
            return None
        try:
            event = self._served.decode(value)
            event.event_times = [_instant(time) for time in event.event_times]
        except (msgspec.MsgspecError, ValueError, TypeError, OverflowError, RecursionError):
            return None
        if not (self._has_good_names(event) and _has_rows(event)):
            return None
        event.id = attributes[0]
        return event

    def told(self, value: bytes | None, headers: Headers) -> Told | None:
        """The event of outcomes; None where `from_record` has to look."""
        if (attributes := self._attributes(OutcomeRecorded.topic, headers)) is None or not _is_plain(value):
            return None
        try:
            event = self._told.decode(value)
            for one in event.outcomes:
                one.known_at = _instant(one.known_at)
                if (one.label is None) == (one.value is None):
                    return None
        except (msgspec.MsgspecError, ValueError, TypeError, OverflowError, RecursionError):
            return None
        if not self._is_name(event.use_case):
            return None
        event.id, event.source = attributes
        return event

    def _attributes(self, topic: str, headers: Headers) -> tuple[str, str] | None:
        """Id and source; None unless every header that means something is there once, in lower case, and good."""
        listed = tuple(headers)
        given = dict(listed)
        if len(given) != len(listed) or not self._are_known(tuple(given)):
            return None
        if given.get("ce_specversion") != b"1.0" or given.get("ce_type") != topic.encode():
            return None
        if given.get("content-type", _JSON) != _JSON:
            return None
        try:
            _instant(given["ce_time"].decode())  # type: ignore[union-attr]
            for name in ("ce_correlationid", "ce_causationid"):
                if name in given:
                    _short(given[name])
            return _short(given["ce_id"]), _short(given["ce_source"])
        except (KeyError, ValueError, AttributeError, TypeError, OverflowError):
            return None

    def _are_known(self, names: tuple[str, ...]) -> bool:
        return names in self._good or (all(map(_is_known, names)) and self._remember(names))

    def _has_good_names(self, event: Served) -> bool:
        digests = (event.package_digest, event.behaviour_digest, event.contract_digest)
        if digests not in self._good and not (all(map(_DIGEST.fullmatch, digests)) and self._remember(digests)):
            return False
        shape = (event.use_case, *event.numbers, *event.categories)
        if shape not in self._good and not (all(map(_NAME.fullmatch, shape)) and self._remember(shape)):
            return False
        return all(self._is_name(name) for names in event.flagged for name in names)

    def _is_name(self, name: str) -> bool:
        return name in self._good or (_NAME.fullmatch(name) is not None and self._remember(name))

    def _remember(self, good: object) -> bool:
        if len(self._good) >= _REMEMBERED:
            self._good.clear()
        self._good.add(good)
        return True


_JSON = CONTENT_TYPE.encode()
_OURS = {"ce_specversion", "ce_type", "content-type", *HEADER_OF.values()}


def _is_known(name: str) -> bool:
    """A header that `from_record` reads, or one that it passes over unread."""
    return name in _OURS or not (name.lower().startswith("ce_") or name.lower() == "content-type")


def _is_plain(value: bytes | None) -> bool:
    """An object of a size that is allowed, without NUL in any text."""
    return value is not None and len(value) <= MAX_BYTES and b"\\u0000" not in value


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
