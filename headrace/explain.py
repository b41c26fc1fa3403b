"""`headrace events --explain ID`: the way from the first cause to an event, and what it led to."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from headrace.causation import Causation, Told
from headrace.describe import describe
from headrace.errors import CommandError
from headrace.record_lines import event_in, one_line
from headrace.terminal import run_quietly
from headrace.topic_reader import TopicReader, kafka_options
from shared.events import CATALOGUE, Event, as_document

_LIFECYCLE = {topic for topic, event in CATALOGUE.items() if event.kind == "lifecycle"}
_DATA = set(CATALOGUE) - _LIFECYCLE


def run(home: Path, event_id: str, in_json: bool) -> None:
    """Explain one event; raises CommandError when no topic has it."""
    run_quietly(_explain(kafka_options(home), event_id, in_json))


async def _explain(options: dict[str, Any], event_id: str, in_json: bool) -> None:
    events = await _read(options, _LIFECYCLE)
    known = Causation(events)
    # The data topics are large: they are read only where the way leads there.
    if event_id not in known.events or known.missing_causes(event_id):
        known = Causation([*events, *await _read(options, _DATA)])
    if event_id not in known.events:
        raise CommandError(f"no event on Kafka has the id {event_id!r}; `headrace events --json` shows ids")
    told = known.explain(event_id)
    if in_json:
        sys.stdout.write(json.dumps(as_documents(event_id, told)) + "\n")
    else:
        show(told, known.missing_causes(event_id), Console(highlight=False, soft_wrap=True))


async def _read(options: dict[str, Any], topics: set[str]) -> list[Event]:
    async with TopicReader(options, topics) as reader:
        found = [event_in(record) async for record in reader.history()]
    return [event for event in found if isinstance(event, Event)]


def as_documents(event_id: str, told: Sequence[Told]) -> dict[str, Any]:
    """The explanation for programs: one document for each line."""
    lines = [{"depth": one.depth, "relation": one.relation, "event": as_document(one.event)} for one in told]
    return {"explained": event_id, "lines": lines}


def show(told: Sequence[Told], missing: set[str], console: Console) -> None:
    """One line for each event: the asked one is marked, what speaks of a release without its doing has dots."""
    if missing:
        console.print(Text(f"(its cause {', '.join(sorted(missing))} is not on Kafka any more)", "dim"))
    for one in told:
        console.print(_line(one))


def _line(one: Told) -> Text:
    hook = {"root": "", "led to": "└ ", "about": "┄ "}[one.relation]
    return Text.assemble(
        (f"{one.event.time:%Y-%m-%d %H:%M}Z  ", "dim"),
        ("▶ " if one.asked else "  ", "bold yellow"),
        ("  " * max(one.depth - 1, 0) + hook, "dim"),
        (f"{one.event.topic}  ", "bold cyan"),
        (one_line(describe(one.event)), "bold" if one.asked else ""),
        (f"  {one_line(one.event.id)}", "dim"),
    )
