"""The forms of a request and its answer: how bytes become an ask, and how an entry of the journal becomes bytes again.

An answer is a function of its entry in the journal and of the form, so that a repeat gives the same bytes.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from itertools import chain
from typing import Any

from services.serving.answers import SERVED_JSON, Served
from services.serving.arrow_body import ARROW, read_arrow, write_arrow
from services.serving.columnar import read_columns, read_table
from services.serving.decode import Ask, Form
from services.serving.entries import Head
from services.serving.faults import Refused
from services.serving.live import Live

JSON = "application/json"


Reader = Callable[[Live, bytes, datetime | None], Ask]
_COLUMNS = b'"columns"'


def columns_of(head: Head, events: Sequence[Served]) -> dict[str, list[Any]]:
    """Return the answer column by column: one score column, or one for each class."""
    scores = list(chain.from_iterable(event.scores for event in events))
    request_id = events[0].request_id
    columns: dict[str, list[Any]] = {"prediction_id": [f"{request_id}/{row}" for row in range(len(scores))]}
    if head.estimates:
        columns["score"] = head.estimates
    elif head.classes:
        columns |= {f"score.{name}": [each[place] for each in scores] for place, name in enumerate(head.classes)}
    else:
        columns["score"] = [each[0] for each in scores]
    for name in ("decision", "reason", "flagged", *(("arm",) if head.arms else ())):
        parts = name if name == "flagged" else f"{name}s"
        columns[name] = list(chain.from_iterable(getattr(event, parts) for event in events))
    return columns


def release_of(first: Served) -> dict[str, Any]:
    """Return what an answer says about where it comes from."""
    return {
        "request_id": first.request_id,
        "use_case": first.use_case,
        "release": first.release_sequence,
        "version": first.package_digest,
        "behaviour": first.behaviour_digest,
    }


def _render_columns(head: Head, events: Sequence[Served]) -> bytes:
    return SERVED_JSON.encode({**release_of(events[0]), "columns": columns_of(head, events)})


def _render_arrow(head: Head, events: Sequence[Served]) -> bytes:
    return write_arrow(columns_of(head, events), release_of(events[0]))


COLUMNS = Form(_render_columns, JSON)
TABLE = Form(_render_arrow, ARROW)


def read_json(live: Live, body: bytes, now: datetime | None) -> Ask:
    """Read record, records or columns."""
    ask = read_columns(live.contract, body, now, COLUMNS) if _COLUMNS in body else None
    return ask or live.decoder.decode(body, now)


def _read_arrow(live: Live, body: bytes, now: datetime | None, *, request_id: str | None, form: Form) -> Ask:
    stream = read_arrow(body, live.contract)
    if request_id and stream.request_id and request_id != stream.request_id:
        raise Refused(422, "x-request-id and the schema's request_id differ", field="request_id")
    return read_table(live.contract, stream.columns, now, request_id or stream.request_id, body, form)


def reader_for(headers: dict[bytes, bytes]) -> Reader:
    """Return how a request is read, by its media type, which was checked before."""
    if not is_arrow(headers):
        return read_json
    wanted = TABLE if ARROW in headers.get(b"accept", b"").decode("latin-1").lower() else COLUMNS
    request_id = headers.get(b"x-request-id", b"").decode("latin-1") or None
    return partial(_read_arrow, request_id=request_id, form=wanted)


def is_arrow(headers: dict[bytes, bytes]) -> bool:
    """Whether the body says that it is an Arrow stream."""
    kind = headers.get(b"content-type", b"").decode("latin-1").partition(";")[0]
    return kind.strip().lower() == ARROW
