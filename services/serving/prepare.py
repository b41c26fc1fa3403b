"""PURE: what one answered request writes down: its decisions, their events, and the entry that holds them."""

from collections.abc import Sequence
from typing import NamedTuple

from services.serving import answers, entries, frames
from services.serving.answers import Served, Version
from services.serving.decode import Ask
from services.serving.entries import Head
from services.serving.faults import Refused
from services.serving.ledger import CapacityTaken
from services.serving.score import Scores


class Prepared(NamedTuple):
    """An entry that could be appended as it is, and what it says."""

    head: Head
    events: Sequence[Served]
    frame: bytes


def prepare(
    version: Version,
    ask: Ask,
    scores: Scores,
    taken: CapacityTaken,
    *,
    request_id: str,
    latency_ms: float,
    source: str,
    at: float,
) -> Prepared:
    """Decide all rows with what `taken` leaves; raises Refused for what no event and no entry can hold."""
    rows = ask.rows
    drawn = version.draw.arms(request_id, rows.flagged) if version.draw else None
    decided = answers.decide_rows(version.policy, rows, scores, taken, version.use_case, drawn)
    written = answers.served_events(version, request_id, rows, scores, decided, latency_ms)
    time = max(rows.times)
    head = Head(
        at=at,
        use_case=version.use_case,
        request_id=request_id,
        digest=ask.digest if ask.request_id else "",
        block=max(rows.blocks),
        classes=list(version.policy.classes) if version.policy.task == "multiclass" else [],
        estimates=answers.estimates(version.policy, scores, decided.decisions),
        taken=decided.taken,
        rows=len(rows),
        arms=drawn is not None,
        messages=[answers.message_of(event, body, source, time) for event, body in written],
    )
    payload = entries.encode(head, [body for _, body in written])
    if len(payload) > frames.MAX_PAYLOAD:
        said = f"the request takes {len(payload)} bytes in the journal, at most {frames.MAX_PAYLOAD} are allowed"
        raise Refused(413, said, field="records", limit=frames.MAX_PAYLOAD)
    return Prepared(head, [event for event, _ in written], frames.frame(payload))
