"""Shows dead letters: tables for people, documents for programs; no stranger's text reaches the terminal as it is."""

import base64
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from headrace.dead_acts import Planned
from headrace.dead_letters import Letter, Summary
from headrace.record_lines import one_line
from shared.events import Event, as_document

_KIND_COLOURS = {"malformed": "yellow", "permanent": "magenta", "bug": "bold red"}
_SHOWN_REASON = 160
_COUNTS = ("replayed", "discarded")


def letter_document(letter: Letter) -> dict[str, Any]:
    """What `list --json` says of a letter."""
    event, refusal = letter.event, letter.refusal
    return {
        "letter": letter.name,
        "state": letter.state,
        "topic": letter.topic,
        "kind": letter.kind,
        "service": letter.service,
        "group": f"{letter.service}.{letter.topic}" if refusal else None,
        "error": refusal.error if refusal else None,
        "reason": letter.reason,
        "refused_at": letter.refused_at.isoformat(),
        "use_case": letter.use_case,
        "event_id": letter.event_id,
        "event_time": event.time.isoformat() if isinstance(event, Event) else None,
        "original": {"partition": refusal.partition, "offset": refusal.offset} if refusal else None,
        "settled": as_document(letter.settled) if letter.settled else None,
    }


def whole_document(letter: Letter) -> dict[str, Any]:
    """What `show --json` says: the original's key, headers and body too; what is not UTF-8 as base64."""
    record = letter.original or letter.record
    return {
        **letter_document(letter),
        "key": _as_json(record.key),
        "headers": [{"name": name, **_as_json(value)} for name, value in record.headers],
        "body": _as_json(record.value),
    }


def summary_document(summaries: dict[str, Summary]) -> dict[str, Any]:
    """Counts by topic."""
    return {
        topic: {"states": dict(said.states), "open": {"kinds": dict(said.kinds), "services": dict(said.services)}}
        for topic, said in summaries.items()
    }


def plan_document(plan: Sequence[Planned], act: str, dry_run: bool) -> dict[str, Any]:
    """What `replay --json` and `discard --json` say."""
    return {
        "act": act,
        "dry_run": dry_run,
        "done": [
            {
                "letter": planned.letter.name,
                "event_id": planned.letter.event_id,
                "repaired": planned.body_digest is not None,
                "settles": [letter.name for letter in planned.settles],
            }
            for planned in plan
            if not planned.obstacle
        ],
        "not_done": [{"letter": planned.letter.name, "why": planned.obstacle} for planned in plan if planned.obstacle],
    }


def show_letters(letters: Sequence[Letter], console: Console, *, with_state: bool) -> None:
    """One row for each letter, oldest first."""
    columns = ["letter", "refused (UTC)", "by", "kind", "use case", "reason"]
    table = _table(*columns, *(["state"] if with_state else []))
    for letter in letters:
        reason = letter.reason if len(letter.reason) <= _SHOWN_REASON else letter.reason[:_SHOWN_REASON] + "…"
        cells = [
            Text(letter.name),
            Text(_time(letter.refused_at), "dim"),
            _clean(letter.service),
            _clean(letter.kind, _KIND_COLOURS.get(letter.kind, "")),
            _clean(letter.use_case or "–"),
            _clean(reason),
        ]
        table.add_row(*cells, *([_clean(letter.state)] if with_state else []))
    console.print(table)


def show_summary(summaries: dict[str, Summary], console: Console) -> None:
    """One row for each topic that has dead letters."""
    table = _table("topic", "open", "of which", "refused by", *_COUNTS)
    for topic, said in summaries.items():
        states = said.states
        counts = (_counted(said.kinds), _counted(said.services))
        table.add_row(topic, str(states["open"]), *map(_clean, counts), *(str(states[name]) for name in _COUNTS))
    console.print(table)


def show_letter(letter: Letter, console: Console) -> None:
    """One letter whole, as it was refused."""
    record, refusal = letter.original or letter.record, letter.refusal
    event = letter.event
    origin = f"{refusal.topic}/{refusal.partition}/{refusal.offset}" if refusal else "not known"
    lines = {
        "letter": f"{letter.name}, {letter.state}",
        "refused": f"{_time(letter.refused_at)}Z by {letter.service}, {letter.kind}"
        + (f" ({refusal.error})" if refusal else ""),
        "reason": letter.reason,
        "original": f"{origin}, key {_readable(record.key)}",
        "event": f"{event.id} of {_time(event.time)}Z" if isinstance(event, Event) else f"not readable: {event}",
    }
    if settled := letter.settled:
        repaired = ", with a repaired body" if settled.body_digest else ""
        told = f"{_time(settled.time)}Z by {settled.by}{repaired}: {settled.reason or 'no reason given'}"
        lines[settled.act] = told
    for name, text in lines.items():
        console.print(Text.assemble((f"{name:<10}", "dim"), _clean(text)), soft_wrap=True)
    console.print(Text("headers", "dim"))
    for name, value in record.headers:
        console.print(Text.assemble("  ", _clean(name), (" = ", "dim"), _clean(_readable(value))), soft_wrap=True)
    console.print(Text("body", "dim"))
    for line in _readable(record.value).split("\n"):
        console.print(_clean(line, longest=len(line)), soft_wrap=True)


def show_plan(plan: Sequence[Planned], console: Console) -> None:
    """What will be done, then what will not and why."""
    todo = [planned for planned in plan if not planned.obstacle]
    if todo:
        table = _table("letter", "kind", "use case", "event", "closes")
        for planned in todo:
            letter = planned.letter
            body = " (repaired body)" if planned.body_digest else ""
            closes = "itself" if len(planned.settles) == 1 else f"{len(planned.settles)} letters of the same record"
            event = _clean((letter.event_id or "–") + body)
            table.add_row(Text(letter.name), _clean(letter.kind), _clean(letter.use_case or "–"), event, closes)
        console.print(table)
    for planned in plan:
        if planned.obstacle:
            console.print(Text.assemble(("✗ ", "bold red"), planned.letter.name, ": ", _clean(planned.obstacle)))


def _table(*columns: str) -> Table:
    table = Table()
    for column in columns:
        table.add_column(column, overflow="fold", justify="right" if column in ("open", *_COUNTS) else "left")
    return table


def _counted(counts: Any) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.most_common()) or "–"


def _clean(text: str, style: str = "", longest: int | None = None) -> Text:
    if longest is None:
        return Text(one_line(text), style)
    # Whole, however long: one_line cuts.
    parts: Iterable[str] = (text[at : at + 1000] for at in range(0, len(text), 1000))
    return Text("".join(map(one_line, parts)), style)


def _time(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def _readable(value: bytes | None) -> str:
    if value is None:
        return "(null)"
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return f"(hex) {value.hex(' ')}"


def _as_json(value: bytes | None) -> dict[str, str | None]:
    try:
        return {"text": None if value is None else value.decode("utf-8")}
    except UnicodeDecodeError:
        assert value is not None
        return {"base64": base64.b64encode(value).decode()}
