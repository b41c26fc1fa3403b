"""Events to Kafka records and back: CloudEvents 1.0, binary mode (attributes in `ce_` headers, JSON body)."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import to_jsonable_python

from shared.events.base import ATTRIBUTES, Event
from shared.strict_json import parse_json

MAX_BYTES = 1024 * 1024
CONTENT_TYPE = "application/json"
HEADER_OF = {name: "ce_" + name.replace("_", "") for name in ATTRIBUTES}
E = TypeVar("E", bound=Event)
Headers = Iterable[tuple[str, bytes | None]]


@dataclass(frozen=True)
class Record:
    """What goes to Kafka."""

    topic: str
    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes], ...]


class MalformedEventError(ValueError):
    """The bytes are not the event they claim to be; `field` and the message say what is wrong."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field


def to_record(event: Event) -> Record:
    """Encode an event; raises MalformedEventError when it is larger than a topic takes."""
    body = event.model_dump_json(exclude=set(ATTRIBUTES)).encode()
    if len(body) > MAX_BYTES - 4096:
        raise MalformedEventError("body", f"{len(body)} bytes, the limit is {MAX_BYTES - 4096}")
    said = headers_of(type(event), {name: getattr(event, name) for name in ATTRIBUTES})
    return Record(event.topic, event.key.encode(), body, tuple((name, text.encode()) for name, text in said.items()))


def headers_of(cls: type[Event], attributes: Mapping[str, Any]) -> dict[str, str]:
    """The headers of an event with these attributes; absent ones have none."""
    said = {"ce_specversion": "1.0", "ce_type": cls.topic, "content-type": CONTENT_TYPE}
    for name, header in HEADER_OF.items():
        value = attributes.get(name)
        if isinstance(value, datetime):
            said[header] = value.isoformat().replace("+00:00", "Z")
        elif value is not None:
            said[header] = str(value)
    return said


def from_record(cls: type[E], value: bytes | None, headers: Headers) -> E:
    """Decode one record as `cls`.

    Raises MalformedEventError naming the field. Unknown fields are dropped; `unknown_fields` counts them beforehand.
    """
    if value is None:
        raise MalformedEventError("body", "is empty (a tombstone)")
    if len(value) > MAX_BYTES:
        raise MalformedEventError("body", f"{len(value)} bytes, the limit is {MAX_BYTES}")
    document = json.dumps(_attributes(cls, headers)).encode()
    try:
        # The attributes come last, so that a body that repeats one of them cannot replace it.
        event = cls.model_validate_json(_joined(value, document))
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        where = ".".join(str(HEADER_OF.get(str(part), part)) for part in first["loc"]) or "body"
        raise MalformedEventError(where, first["msg"][:500]) from error
    if cls.kind == "lifecycle":
        _check_unambiguous(value)
    return event


def _check_unambiguous(body: bytes) -> None:
    """Two readers could act on different values of a key that stands there twice."""
    try:
        parse_json(body)
    except ValueError as error:
        raise MalformedEventError("body", str(error)[:500]) from error


def unknown_fields(event: Event) -> int:
    """How many fields of the record the catalogue does not know; they are dropped with this call."""
    extra = event.model_extra or {}
    count = len(extra)
    extra.clear()
    return count


def _attributes(cls: type[Event], headers: Headers) -> dict[str, str | None]:
    given: dict[str, str] = {}
    for name, raw in headers:
        lowered = name.lower()
        if not (lowered.startswith("ce_") or lowered == "content-type"):
            continue
        if raw is None:
            raise MalformedEventError(lowered, "header is null")
        if lowered in given:
            raise MalformedEventError(lowered, "header is given twice")
        try:
            given[lowered] = raw.decode("utf-8")
        except UnicodeDecodeError as error:
            raise MalformedEventError(lowered, "header is not UTF-8") from error
    if given.get("ce_specversion") != "1.0":
        raise MalformedEventError("ce_specversion", f"must be 1.0, got {given.get('ce_specversion')!r}")
    if given.get("ce_type") != cls.topic:
        raise MalformedEventError("ce_type", f"must be {cls.topic}, got {given.get('ce_type')!r}")
    if given.get("content-type", CONTENT_TYPE).partition(";")[0].strip().lower() != CONTENT_TYPE:
        raise MalformedEventError("content-type", f"must be {CONTENT_TYPE}")
    for header in ("ce_id", "ce_source", "ce_time"):
        if header not in given:
            raise MalformedEventError(header, "header is missing")
    # A foreign publisher need not know our extensions: the event then starts a story of its own.
    given.setdefault(HEADER_OF["correlation_id"], given["ce_id"])
    # Every attribute is named, absent ones too, so that none can come from the body.
    return {name: given.get(header) for name, header in HEADER_OF.items()}


def _joined(body: bytes, attributes: bytes) -> bytes:
    body = body.strip()
    if not (body.startswith(b"{") and body.endswith(b"}")):
        raise MalformedEventError("body", "must be a JSON object")
    inner = body[1:-1].strip()
    return b"{" + inner + (b"," if inner else b"") + attributes[1:]


def as_document(event: Event) -> dict[str, object]:
    """The whole event as plain JSON types, attributes included; what `watch --json` prints and the examples store."""
    document = to_jsonable_python(event)
    assert isinstance(document, dict)
    return {"type": event.topic, **document}
