"""Describes every topic as AsyncAPI 3, generated from the catalogue, for people and tools outside this repository."""

from collections.abc import Mapping
from typing import Any

from pydantic.json_schema import models_json_schema

from shared.events import CATALOGUE
from shared.events.base import ATTRIBUTES, Event
from shared.events.dead import DeadLetterSettled
from shared.events.records import CONTENT_TYPE, HEADER_OF, headers_of
from shared.events.stored_examples import body_of, examples_of
from shared.events.topics import DATA_PARTITIONS, TopicShape, dead_shape_of, shape_of

VERSION = "1.0.0"
_BINDING = "0.5.0"
_SCHEMAS = "#/components/schemas/"
_MESSAGES: tuple[type[Event], ...] = (*CATALOGUE.values(), DeadLetterSettled)
_SETTLED, _SETTLERS = DeadLetterSettled.__name__, DeadLetterSettled.publishers


def document(data_partitions: int = DATA_PARTITIONS) -> dict[str, Any]:
    """The whole document, as plain JSON types."""
    events = CATALOGUE.values()
    channels: dict[str, Any] = {}
    operations: dict[str, Any] = {}
    for event in events:
        channels[event.topic] = _channel(shape_of(event, data_partitions), _text(event), event.__name__)
        dead = (
            f"What a consumer of {event.topic} could not process: byte for byte, with the reason. "
            "Behind it what became of it."
        )
        channels[dead_shape_of(event).name] = _channel(dead_shape_of(event), dead, "DeadLetter", _SETTLED)
        operations |= _operations(event)
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Headrace",
            "version": VERSION,
            "license": {"name": "Apache-2.0"},
            "description": "Every event is a CloudEvents 1.0 message in binary mode: attributes in `ce_` headers, "
            "JSON body. Unknown fields of a body are ignored.",
        },
        "defaultContentType": CONTENT_TYPE,
        "channels": channels,
        "operations": operations,
        "components": {
            "messages": {
                **{event.__name__: _message(event) for event in _MESSAGES},
                "DeadLetter": _dead_letter(),
            },
            "schemas": _schemas(),
        },
    }


def _text(event: type[Event]) -> str:
    return (event.__doc__ or "").strip()


def _channel(shape: TopicShape, description: str, *messages: str) -> dict[str, Any]:
    configuration = {
        "cleanup.policy": ["delete"],
        "retention.ms": shape.retention_ms,
        "retention.bytes": shape.retention_bytes,
        "max.message.bytes": shape.max_message_bytes,
    }
    return {
        "address": shape.name,
        "description": description,
        "messages": {message: {"$ref": f"#/components/messages/{message}"} for message in messages},
        "bindings": {
            "kafka": {
                "partitions": shape.partitions,
                "topicConfiguration": configuration,
                "bindingVersion": _BINDING,
            }
        },
    }


def _operations(event: type[Event]) -> dict[str, Any]:
    dead = dead_shape_of(event).name
    said = {
        **{_name(who, "send", event.topic): _operation("send", event.topic, event, who) for who in event.publishers},
        **{
            _name(who, "receive", event.topic): _operation("receive", event.topic, event, who)
            for who in event.listeners
        },
    }
    services = [who for who in event.listeners if who != "anyone"]
    said |= {_name(who, "send", dead): _operation("send", dead, None, who) for who in services}
    return said | {_name(who, "send", dead): _operation("send", dead, DeadLetterSettled, who) for who in _SETTLERS}


def _name(who: str, action: str, topic: str) -> str:
    return f"{who}.{action}.{topic}".replace(" ", "_")


def _operation(action: str, channel: str, event: type[Event] | None, who: str) -> dict[str, Any]:
    message = event.__name__ if event else "DeadLetter"
    verb = "publishes" if action == "send" else "hears"
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{channel}"},
        "summary": f"{who} {verb} {channel}",
        "tags": [{"name": who}],
        "messages": [{"$ref": f"#/channels/{channel}/messages/{message}"}],
    }


def _message(event: type[Event]) -> dict[str, Any]:
    return {
        "name": event.topic,
        "title": event.__name__,
        "summary": _text(event).splitlines()[0],
        "contentType": CONTENT_TYPE,
        "headers": _headers(event),
        "payload": {"$ref": _SCHEMAS + event.__name__},
        "examples": [
            {"name": f"{event.topic}_{number}", "headers": headers_of(event, example), "payload": body_of(example)}
            for number, example in enumerate(examples_of(event), 1)
        ],
        "bindings": {"kafka": {"key": {"type": "string"}, "bindingVersion": _BINDING}},
    }


def _headers(event: type[Event]) -> dict[str, Any]:
    schema = event.model_json_schema()["properties"]
    attributes = {HEADER_OF[name]: {k: v for k, v in schema[name].items() if k != "title"} for name in ATTRIBUTES}
    attributes[HEADER_OF["causation_id"]] = {"type": "string", "minLength": 1, "maxLength": 256}
    return {
        "type": "object",
        "required": ["ce_specversion", "ce_type", "ce_id", "ce_source", "ce_time"],
        "properties": {
            "ce_specversion": {"type": "string", "const": "1.0"},
            "ce_type": {"type": "string", "const": event.topic},
            "content-type": {"type": "string", "const": CONTENT_TYPE},
            **attributes,
        },
    }


def _dead_letter() -> dict[str, Any]:
    said: Mapping[str, str] = {
        "dead_reason": "The kind of error and its words",
        "dead_error": "The class of the error",
        "dead_kind": "malformed, permanent or bug",
        "dead_service": "The service that could not process it",
        "dead_topic": "Where the original lies",
        "dead_partition": "Its partition",
        "dead_offset": "Its offset",
    }
    return {
        "name": "dead_letter",
        "title": "DeadLetter",
        "summary": "The original record with its own headers, and why it could not be processed.",
        "contentType": "application/octet-stream",
        "headers": {
            "type": "object",
            "required": list(said),
            "properties": {name: {"type": "string", "description": text} for name, text in said.items()},
        },
        "payload": {"description": "Whatever the original record held, byte for byte"},
    }


def _schemas() -> dict[str, Any]:
    _, top = models_json_schema([(event, "validation") for event in _MESSAGES], ref_template=_SCHEMAS + "{model}")
    schemas: dict[str, Any] = top["$defs"]
    for event in _MESSAGES:
        body = schemas[event.__name__]
        for name in ATTRIBUTES:
            del body["properties"][name]
        body["required"] = [name for name in body.get("required", ()) if name not in ATTRIBUTES]
    return schemas
