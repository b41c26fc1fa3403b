"""The generated AsyncAPI document is well formed, and tells of the topics that are really in use."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from shared.events import CATALOGUE
from shared.events.asyncapi import document
from shared.events.dead import DeadLetterSettled
from shared.spine.topics import all_topics

ROOT = Path(__file__).parents[2]
DOCUMENT = document()
EVENTS = {event.__name__: event for event in CATALOGUE.values()}
each_message = pytest.mark.parametrize("name", [*EVENTS, DeadLetterSettled.__name__])


def references(node: Any) -> Iterator[str]:
    """Every `$ref` of the document."""
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def resolve(reference: str) -> Any:
    """What a reference points to."""
    node: Any = DOCUMENT
    for step in reference.removeprefix("#/").split("/"):
        node = node[step.replace("~1", "/").replace("~0", "~")]
    return node


def validator(schema: dict[str, Any]) -> Draft202012Validator:
    """A validator of one schema that finds its neighbours."""
    whole = {"components": DOCUMENT["components"], **schema}
    Draft202012Validator.check_schema(whole)
    return Draft202012Validator(whole, format_checker=Draft202012Validator.FORMAT_CHECKER)


def test_the_document_has_the_shape_of_asyncapi_3() -> None:
    assert DOCUMENT.keys() <= {"asyncapi", "info", "defaultContentType", "channels", "operations", "components"}
    assert DOCUMENT["asyncapi"] == "3.0.0"
    assert {"title", "version"} <= DOCUMENT["info"].keys()
    for name, channel in DOCUMENT["channels"].items():
        assert channel.keys() == {"address", "description", "messages", "bindings"}, name
        assert all(message.keys() == {"$ref"} for message in channel["messages"].values()), name
    for name, operation in DOCUMENT["operations"].items():
        assert re.fullmatch(r"[a-z_.]+", name)
        assert operation["action"] in ("send", "receive")
        channel = resolve(operation["channel"]["$ref"])
        # AsyncAPI 3: an operation names messages of its own channel, never of the components.
        prefix = operation["channel"]["$ref"] + "/messages/"
        assert all(message["$ref"].startswith(prefix) for message in operation["messages"]), name
        assert channel["messages"]
    for message in DOCUMENT["components"]["messages"].values():
        assert {"name", "title", "summary", "contentType", "headers", "payload"} <= message.keys()


def test_every_reference_leads_somewhere() -> None:
    found = set(references(DOCUMENT))
    assert found
    for reference in found:
        assert resolve(reference) is not None


def test_the_document_is_plain_json() -> None:
    assert json.loads(json.dumps(DOCUMENT, allow_nan=False)) == DOCUMENT


@each_message
def test_payload_and_headers_are_valid_schemas_that_the_stored_examples_satisfy(name: str) -> None:
    message = DOCUMENT["components"]["messages"][name]
    payload, headers = validator(message["payload"]), validator(message["headers"])
    assert message["examples"]
    for example in message["examples"]:
        payload.validate(example["payload"])
        headers.validate(example["headers"])


@each_message
def test_attributes_stand_in_the_headers_and_not_in_the_payload(name: str) -> None:
    body = DOCUMENT["components"]["schemas"][name]
    attributes = {"id", "source", "time", "correlation_id", "causation_id"}
    assert not attributes & (body["properties"].keys() | set(body["required"]))
    headers = DOCUMENT["components"]["messages"][name]["headers"]
    assert {"ce_id", "ce_source", "ce_type", "ce_time", "ce_correlationid", "ce_causationid"} <= set(
        headers["properties"]
    )
    assert not validator(headers).is_valid({"ce_id": "1"})


@each_message
def test_the_payload_schema_refuses_an_empty_body(name: str) -> None:
    assert not validator(DOCUMENT["components"]["messages"][name]["payload"]).is_valid({})


def test_the_channels_are_the_topics_that_are_provisioned_with_their_numbers() -> None:
    topics = {topic.name: topic for topic in all_topics(data_partitions=5)}
    channels = document(data_partitions=5)["channels"]
    assert set(channels) == set(topics)
    for name, channel in channels.items():
        said, topic = channel["bindings"]["kafka"], topics[name]
        assert channel["address"] == name
        assert said["partitions"] == topic.num_partitions
        for setting in ("retention.ms", "retention.bytes", "max.message.bytes"):
            assert str(said["topicConfiguration"][setting]) == topic.topic_configs[setting]


def subscriptions() -> set[tuple[str, str]]:
    """(service, event class) of every `subscribe(router, Event)` in the services' source."""
    found = set()
    for file in (ROOT / "services").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(func=ast.Name("subscribe"), args=[_, ast.Name(event)]) if event in EVENTS:
                    found.add((file.relative_to(ROOT / "services").parts[0], event))
                case _:
                    pass
    return found


def written_by(folder: Path) -> set[str]:
    """The events that code below a folder builds: `Event.begin(…)`, `Event.follow(…)`, or quicker by hand."""
    found = set()
    for file in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            match node:
                case ast.Attribute(value=ast.Name(name), attr="begin" | "follow") if name in EVENTS:
                    found.add(name)
                case ast.Call(func=ast.Name("cloud_headers"), args=[ast.Attribute(ast.Name(name), "topic"), *_]) if (
                    name in EVENTS
                ):
                    found.add(name)
                case _:
                    pass
    return found


def test_whoever_subscribes_to_an_event_stands_in_the_catalogue_as_a_listener() -> None:
    for service, event in subscriptions():
        assert service in EVENTS[event].listeners or "anyone" in EVENTS[event].listeners, (service, event)


def test_whoever_writes_an_event_stands_in_the_catalogue_as_a_publisher() -> None:
    for folder in (ROOT / "services").iterdir():
        for event in written_by(folder) if folder.is_dir() else ():
            publishers = EVENTS[event].publishers
            assert folder.name in publishers or "any service" in publishers, (folder.name, event)


def test_every_topic_is_written_here_or_asked_for_by_others_and_heard_here() -> None:
    written = written_by(ROOT / "services") | written_by(ROOT / "headrace")
    heard = {event for _, event in subscriptions()}
    for name, event in EVENTS.items():
        assert name in written or ("any service" in event.publishers and name in heard), name
