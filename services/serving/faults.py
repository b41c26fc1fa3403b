"""What is wrong with a request, as RFC 9457 problem details that name record, field and limit."""

import json
import math
import re
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from shared.spine.problems import MEDIA_TYPE, Problem

_POSITION = re.compile(r"\(byte (\d+)\)")
_UNKNOWN = re.compile(r"unknown field `(.*?)`(?: - at |$)", re.DOTALL)
_NESTED = "is nested; only text, numbers, true, false and null are allowed"
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


class Refused(Problem):
    """A request that cannot be answered; `request_id` is the client's, when it could be read."""

    request_id: str | None = None


def problem_body(problem: Problem, request_id: str | None = None) -> bytes:
    """Return the JSON of a problem."""
    more = {"request_id": request_id} if request_id else {}
    return json.dumps({**problem.document(), **more}, default=str).encode()


CONTENT_TYPE = MEDIA_TYPE


def body_fault(body: bytes, error: Exception, allowed: Sequence[str]) -> Refused:
    """Say what msgspec stumbled over: 400 for what is no JSON, 422 for JSON of another shape."""
    match error:
        case UnicodeDecodeError():
            return Refused(400, "the body is not UTF-8", position=_first_bad_byte(body))
        case RecursionError():
            return Refused(400, "the body is nested too deeply", limit=3)
        case msgspec.ValidationError():
            return _shape_fault(body, str(error), allowed)
        case _:
            return _syntax_fault(body, str(error))


def _syntax_fault(body: bytes, said: str) -> Refused:
    found = _POSITION.search(said)
    position = int(found.group(1)) if found else len(body)
    if _SURROGATE.search(body):
        said += "; \\ud800 to \\udfff are allowed in pairs only"
    return Refused(400, f"the body is not JSON: {said.removeprefix('JSON is malformed: ')}", position=position)


def _shape_fault(body: bytes, said: str, allowed: Sequence[str]) -> Refused:
    if unknown := _UNKNOWN.search(said):
        name = unknown.group(1)[:100]
        return Refused(422, f"unknown field {name!r}", field=name, allowed=list(allowed))
    where = _first_odd_value(body)
    if where:
        list_name, position, name, what = where
        return Refused(422, f"{list_name} {position}: {name} {what}", record=position, field=name)
    return Refused(422, said.replace("`", "'").replace("$.", ""), field=_path(said))


def _path(said: str) -> str:
    _, _, path = said.partition("at `$")
    return path.rstrip("`").lstrip(".").removesuffix("[...]") or "body"


def _first_odd_value(body: bytes) -> tuple[str, int, str, str] | None:
    """Find the value that is nested or not finite, which msgspec's message does not name."""
    try:
        document: Any = json.loads(body, parse_int=float)
    except (ValueError, RecursionError):
        return None
    for item, position, name, value in _values(document):
        if isinstance(value, dict | list):
            return item, position, name[:100], _NESTED
        if isinstance(value, float) and not math.isfinite(value):
            return item, position, name[:100], "is not a finite number"
    return None


def _values(document: Any) -> Iterator[tuple[str, int, str, Any]]:
    """Yield every value of a body with the place at which it stands."""
    for items in ("records", "outcomes"):
        for position, record in enumerate(_items(document, items)):
            for name, value in record.items() if isinstance(record, dict) else ():
                yield items[:-1], position, name, value
    columns = document.get("columns") if isinstance(document, dict) else None
    for name, column in columns.items() if isinstance(columns, dict) else ():
        for position, value in enumerate(column if isinstance(column, list) else ()):
            yield "record", position, name, value


def _items(document: Any, name: str) -> list[Any]:
    if not isinstance(document, dict):
        return []
    items = document.get(name, [document["record"]] if name == "records" and "record" in document else [])
    return items if isinstance(items, list) else []


def _first_bad_byte(body: bytes) -> int:
    try:
        body.decode()
    except UnicodeDecodeError as error:
        return error.start
    return len(body)
