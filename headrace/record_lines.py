"""Turns records of Kafka into what an operator reads: one line with colours, or one JSON object."""

import base64
import json
from typing import Any

from rich.text import Text

from headrace.describe import describe
from headrace.topic_reader import appended_at
from shared.events import CATALOGUE, Event, MalformedEventError, as_document, from_record, unknown_fields
from shared.events.dead import DeadLetterSettled, settled_in
from shared.events.topics import DEAD_SUFFIX

_COLOURS = ("cyan", "green", "yellow", "magenta", "blue", "bright_cyan", "bright_green", "bright_magenta")
_COLOUR_OF = {topic: _COLOURS[number % len(_COLOURS)] for number, topic in enumerate(CATALOGUE)}
_TOPIC_WIDTH = max(len(topic) for topic in CATALOGUE)
_LONGEST_LINE = 2000


def event_in(record: Any) -> Event | MalformedEventError:
    """The event of a record, or why there is none; never raises, whatever the bytes are."""
    if record.topic.endswith(DEAD_SUFFIX) and (settled := settled_in(record.value, record.headers)):
        return settled
    try:
        event = from_record(CATALOGUE[record.topic.removesuffix(DEAD_SUFFIX)], record.value, record.headers)
    except MalformedEventError as error:
        return error
    unknown_fields(event)
    return event


def is_about(record: Any, use_case: str | None) -> bool:
    """Whether a record belongs to a use case; its key says so, also where the body cannot be read."""
    return use_case is None or use_case_of(record, event_in(record)) == use_case


def as_json(record: Any) -> str:
    """One JSON object: the event's document, where it lies, and for dead letters and malformed records why."""
    event = event_in(record)
    line: dict[str, object] = {
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "appended_at": appended_at(record).isoformat(),
    }
    if isinstance(event, MalformedEventError):
        line["malformed"] = str(event)
        line["value_base64"] = base64.b64encode(record.value or b"").decode()
    else:
        line = {**as_document(event), **line}
    if record.topic.endswith(DEAD_SUFFIX) and not isinstance(event, DeadLetterSettled):
        line["dead"] = {name: _header(record, name) for name in ("dead_reason", "dead_service", "dead_offset")}
    return json.dumps(line)


def as_line(record: Any) -> Text:
    """One line: wall time, event time, topic, use case, what happened."""
    event = event_in(record)
    topic = record.topic.removesuffix(DEAD_SUFFIX)
    dead = topic != record.topic
    settled = isinstance(event, DeadLetterSettled)
    malformed = isinstance(event, MalformedEventError)
    moment = None if isinstance(event, MalformedEventError) else event.time
    return Text.assemble(
        (f"{appended_at(record).astimezone():%H:%M:%S}", "dim"),
        "  ",
        (f"{moment:%Y-%m-%d %H:%M}Z" if moment else "-" * 17, "dim"),
        "  ",
        (f"{record.topic:<{_TOPIC_WIDTH}}", _COLOUR_OF[topic] if settled or not dead | malformed else "bold red"),
        "  ",
        (one_line(use_case_of(record, event) or "-"), "bold"),
        "  ",
        (one_line(_story(record, event)), "red" if dead | malformed and not settled else ""),
        no_wrap=True,
        end="",
    )


def _story(record: Any, event: Event | MalformedEventError) -> str:
    what = f"malformed: {event}" if isinstance(event, MalformedEventError) else describe(event)
    if not record.topic.endswith(DEAD_SUFFIX) or isinstance(event, DeadLetterSettled):
        return what
    return f"{_header(record, 'dead_service')} gave up, {_header(record, 'dead_reason')} | {what}"


def use_case_of(record: Any, event: Event | MalformedEventError) -> str | None:
    """The use case that a record speaks of, by its event or else by its key; None where neither says one."""
    if isinstance(event, MalformedEventError):
        name = (record.key or b"").decode("utf-8", "replace").partition("/")[0]
        return name or None
    return getattr(event, "use_case", None)


def _header(record: Any, name: str) -> str:
    # Our own come after the sender's, who may have used the same name.
    said = [value for header, value in record.headers if header == name and value is not None]
    return said[-1].decode("utf-8", "replace") if said else "?"


def one_line(text: str) -> str:
    """Nothing of a stranger's text may move the cursor, change colours or end the line."""
    shown = "".join(c if c.isprintable() else " " if c in "\n\r\t" else "�" for c in text[:_LONGEST_LINE])
    return shown if len(text) <= _LONGEST_LINE else shown + "…"
