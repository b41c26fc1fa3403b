"""Well-formed records to start from: every test breaks one thing of them."""

import json
from typing import Any

from shared.events import CATALOGUE, Event, MalformedEventError, Record, from_record, to_record
from shared.events.base import ATTRIBUTES
from shared.events.dead import DeadLetterSettled
from shared.events.stored_examples import examples_of

Headers = dict[str, bytes | None]


def class_of(name: str) -> type[Event]:
    """The class of an event; markers of dead letters have no topic of their own."""
    return DeadLetterSettled if name == DeadLetterSettled.topic else CATALOGUE[name]


def event_of(document: dict[str, Any]) -> Event:
    """A stored document as the event it tells of."""
    return class_of(document["type"]).model_validate_json(
        json.dumps({name: value for name, value in document.items() if name != "type"})
    )


def example(topic: str) -> Event:
    """The stored example of a topic."""
    return event_of(examples_of(class_of(topic))[0])


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
