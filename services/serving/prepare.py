"""PURE: what one answered request writes down: its decisions, their events, and the entry that holds them."""

from collections.abc import Sequence
from typing import NamedTuple

from services.serving import answers, entries, frames
from services.serving.answers import Served
from services.serving.decode import Ask, Rows
from services.serving.entries import Head, Message
from services.serving.faults import Refused
from services.serving.ledger import CapacityTaken
from services.serving.lowered import decide_lowered
from services.serving.score import Scores
from services.serving.shares import behind_others
from services.serving.version import Version
from shared.contract.arms import Drawn


class Stamp(NamedTuple):
    """What an entry says of its request beside the decisions: `latency_ms`, who answered, and when (epoch seconds)."""

    request_id: str
    latency_ms: float
    source: str
    at: float


class Prepared(NamedTuple):
    """An entry that could be appended as it is, and what it says."""

    head: Head
    events: Sequence[Served]
    frame: bytes


def prepare(version: Version, ask: Ask, scores: Scores, taken: CapacityTaken, stamp: Stamp) -> Prepared:
    """Decide all rows with what `taken` leaves; raises Refused for what no event and no entry can hold."""
    drawn = version.draw.arms(stamp.request_id, ask.rows.flagged) if version.draw else None
    decided = decide(version, ask.rows, scores, taken, drawn)
    return write_up(version, ask, scores, decided, stamp)


def decide(
    version: Version, rows: Rows, scores: Scores, taken: CapacityTaken, drawn: Drawn | None = None
) -> answers.Decided:
    """Decide all rows with what `taken` leaves to this host, under what teams have lowered."""
    seen = behind_others(taken, version.shares, version.use_case, rows.blocks)
    if version.lowered and not version.lowered.keys().isdisjoint(rows.blocks):
        return decide_lowered(version, rows, scores, seen, drawn)
    return answers.decide_rows(version.policy, rows, scores, seen, version.use_case, drawn)


def write_up(version: Version, ask: Ask, scores: Scores, decided: answers.Decided, stamp: Stamp) -> Prepared:
    """Write the entry of what is decided; raises Refused for what no event and no entry can hold."""
    rows = ask.rows
    written = answers.served_events(version, stamp.request_id, rows, scores, decided, stamp.latency_ms)
    time = max(rows.times)
    estimates = answers.estimates(version.policy, scores, decided.decisions)
    messages = [answers.message_of(event, body, stamp.source, time) for event, body in written]
    digest = ask.digest if ask.request_id else ""
    head = head_of(version, rows, decided, estimates, messages, stamp.request_id, digest, stamp.at)
    payload = entries.encode(head, [body for _, body in written])
    if len(payload) > frames.MAX_PAYLOAD:
        said = f"the request takes {len(payload)} bytes in the journal, at most {frames.MAX_PAYLOAD} are allowed"
        raise Refused(413, said, field="records", limit=frames.MAX_PAYLOAD)
    return Prepared(head, [event for event, _ in written], frames.frame(payload))


def head_of(
    version: Version,
    rows: Rows,
    decided: answers.Decided,
    estimates: list[float],
    messages: list[Message],
    request_id: str,
    digest: str,
    at: float,
) -> Head:
    """Return the bookkeeping of an answered request."""
    policy = version.policy
    return Head(
        at=at,
        use_case=version.use_case,
        request_id=request_id,
        digest=digest,
        block=max(rows.blocks),
        classes=list(policy.classes) if policy.task == "multiclass" else [],
        estimates=estimates,
        taken=decided.taken,
        rows=len(rows),
        arms=decided.drawn is not None,
        messages=messages,
    )
