"""The stored examples parse for ever, and the `cloudevents` package reads and writes the same records."""

import json
from typing import Any

import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_binary, to_binary
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

from shared.events import CATALOGUE, Event, as_document, from_record, to_record, unknown_fields
from shared.events.dead import DeadLetterSettled
from shared.events.stored_examples import FOLDER, body_of, examples_of
from tests.events.records import event_of

EVENTS: dict[str, type[Event]] = {**CATALOGUE, DeadLetterSettled.topic: DeadLetterSettled}
DOCUMENTS = {
    f"{topic}-{number}": document
    for topic, event in EVENTS.items()
    for number, document in enumerate(examples_of(event))
}
each = pytest.mark.parametrize("document", DOCUMENTS.values(), ids=DOCUMENTS)


def test_every_event_has_an_example_and_every_example_an_event() -> None:
    assert {file.name.split(".")[0] for file in FOLDER.glob("*.json")} == set(EVENTS)


@each
def test_a_stored_example_goes_through_a_record_and_back(document: dict[str, Any]) -> None:
    event = event_of(document)
    record = to_record(event)
    read = from_record(type(event), record.value, record.headers)
    assert (read, unknown_fields(read)) == (event, 0)
    # What a later version added has its default; everything that stood there is there again, in parts too.
    added = {name: field.default for name, field in type(event).model_fields.items() if name not in document}
    found = as_document(read)
    assert {name: found[name] for name in added} == added
    assert found.keys() == added.keys() | document.keys()
    assert is_in(document, found)


def is_in(old: Any, new: Any) -> bool:
    """Whether all that stood there stands there again."""
    match old:
        case dict():
            return all(name in new and is_in(value, new[name]) for name, value in old.items())
        case list():
            return len(old) == len(new) and all(map(is_in, old, new))
        case _:
            return bool(old == new)


@each
def test_the_cloudevents_package_reads_our_record(document: dict[str, Any]) -> None:
    event = event_of(document)
    record = to_record(event)
    theirs = from_binary(KafkaMessage(dict(record.headers), record.key, record.value), JSONFormat(), CloudEvent)
    assert theirs.get_specversion() == "1.0"
    assert theirs.get_type() == event.topic
    assert (theirs.get_id(), theirs.get_source(), theirs.get_time()) == (event.id, event.source, event.time)
    assert theirs.get_datacontenttype() == "application/json"
    assert theirs.get_extension("correlationid") == event.correlation_id
    assert theirs.get_extension("causationid") == event.causation_id
    assert theirs.get_data() == json.loads(record.value)


@each
def test_we_read_what_the_cloudevents_package_writes(document: dict[str, Any]) -> None:
    event = event_of(document)
    attributes = {
        "id": event.id,
        "source": event.source,
        "type": event.topic,
        "time": event.time,
        "specversion": "1.0",
        "datacontenttype": "application/json",
        "correlationid": event.correlation_id,
    }
    if event.causation_id:
        attributes["causationid"] = event.causation_id
    message = to_binary(CloudEvent(attributes, body_of(document)), JSONFormat())
    assert from_record(type(event), message.value, message.headers.items()) == event
