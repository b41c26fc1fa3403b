"""Well-formed records to start from: every test breaks one thing of them."""

import json
from typing import Any

from shared.events import CATALOGUE, Event, MalformedEventError, Record, from_record, to_record
from shared.events.base import ATTRIBUTES
from shared.events.stored_examples import examples_of

Headers = dict[str, bytes | None]


def event_of(document: dict[str, Any]) -> Event:
    """A stored document as the event it tells of."""
    cls = CATALOGUE[document["type"]]
    return cls.model_validate_json(json.dumps({name: value for name, value in document.items() if name != "type"}))


def example(topic: str) -> Event:
    """The stored example of a topic."""
    return event_of(examples_of(CATALOGUE[topic])[0])


def record(topic: str) -> Record:
    """Its record."""
    return to_record(example(topic))


def body(topic: str, **changed: Any) -> bytes:
    """Its body with some fields changed."""
    document = json.loads(record(topic).value)
    assert not document.keys() & set(ATTRIBUTES)
    return json.dumps({**document, **changed}).encode()


def headers(topic: str, **changed: bytes | None) -> Headers:
    """Its headers with some changed; names take an underscore for each hyphen but the first."""
    return {**dict(record(topic).headers), **changed}


def refusal(topic: str, value: bytes | None, given: Headers | None = None) -> MalformedEventError:
    """The error with which the catalogue refuses these bytes."""
    pairs = (headers(topic) if given is None else given).items()
    try:
        event = from_record(CATALOGUE[topic], value, pairs)
    except MalformedEventError as error:
        return error
    raise AssertionError(f"accepted: {event!r}"[:500])
