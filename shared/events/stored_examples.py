"""Reads the stored example of each event: whole documents that every later version must still parse."""

import json
from pathlib import Path
from typing import Any

from shared.events.base import ATTRIBUTES, Event

# A later shape gets an example of its own beside the old one: <topic>.<what>.json.
FOLDER = Path(__file__).parent / "examples"


def examples_of(event: type[Event]) -> list[dict[str, Any]]:
    """All stored documents of one event, attributes included; the first is the plain one."""
    files = [FOLDER / f"{event.topic}.json", *sorted(FOLDER.glob(f"{event.topic}.*.json"))]
    return [json.loads(file.read_text(encoding="utf-8")) for file in dict.fromkeys(files)]


def body_of(document: dict[str, Any]) -> dict[str, Any]:
    """What of a document goes into the record's value; the rest are its headers."""
    return {name: value for name, value in document.items() if name not in (*ATTRIBUTES, "type")}
