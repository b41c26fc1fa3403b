"""PURE: from scores to decisions, to the events that say so, and to the answer, which is a function of those events.

A repeated request gets its first answer back by rendering the entry of the journal again, whatever release is live.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import msgspec

from services.serving.decode import Rows
from services.serving.entries import Head, Message, Taken
from services.serving.ledger import CapacityTaken
from shared.contract import Policy, decide, estimate_of
from shared.events import MAX_ROWS, PredictionServed, derived_id

# An event repeats the request's inputs and adds to them; well below the 1 MiB that a topic takes.
EVENT_BYTES = 600_000
# How a request ends that gets no answer: by its client's fault, or not.
Missed = Literal["refused", "failed"]


@dataclass(frozen=True)
class Version:
    """What an answer says about where it comes from: one release, captured before scoring."""

    use_case: str
    sequence: int
    package_digest: str
    behaviour_digest: str
    contract_digest: str
    policy: Policy


class Served(msgspec.Struct, frozen=True):
    """The body of a `prediction_served` event: the fields of shared.events.PredictionServed, for msgspec."""

    use_case: str
    request_id: str
    first_position: int
    status: Literal["answered", "refused", "failed"]
    latency_ms: float
    error: str | None = None
    release_sequence: int = 0
    package_digest: str | None = None
    behaviour_digest: str | None = None
    contract_digest: str | None = None
    event_times: list[datetime] = []
    blocks: list[str] = []
    scores: list[list[float]] = []
    decisions: list[str] = []
    reasons: list[str] = []
    places: list[int | None] = []
    propensities: list[float] = []
    arms: list[str] = []
    flagged: list[list[str]] = []
    numbers: dict[str, list[float | None]] = {}
    categories: dict[str, list[str | None]] = {}


@dataclass(frozen=True)
class Decided:
    """The decisions of one request, and the capacity that they take."""

    decisions: list[str]
    reasons: list[str]
    places: list[int | None]
    taken: Taken


SERVED_JSON = msgspec.json.Encoder()
_SERVED = msgspec.json.Decoder(Served)


def decide_rows(
    policy: Policy, rows: Rows, scores: Sequence[Sequence[float]], counts: CapacityTaken, use_case: str
) -> Decided:
    """Decide row by row in the order of the request, each with the capacity that the rows before it left."""
    taken: Taken = {}
    left: dict[str, dict[str, int]] = {}
    decided = Decided([], [], [], taken)
    for position, block in enumerate(rows.blocks):
        before = counts.of(use_case, block)
        if block not in left:
            left[block] = {each: limit - before.get(each, 0) for each, limit in policy.limits.items()}
        choice = decide(policy, scores[position], left[block], bool(rows.flagged[position]))
        mine = taken.setdefault(block, {})
        mine[choice.decision] = mine.get(choice.decision, 0) + 1
        place = None
        if choice.decision in left[block]:
            left[block][choice.decision] -= 1
            place = before.get(choice.decision, 0) + mine[choice.decision]
        decided.decisions.append(choice.decision)
        decided.reasons.append(choice.reason)
        decided.places.append(place)
    return decided


def served_events(
    version: Version,
    request_id: str,
    rows: Rows,
    scores: Sequence[Sequence[float]],
    decided: Decided,
    *,
    body_bytes: int,
    latency_ms: float,
) -> list[Served]:
    """Return the events of an answered request: one for each 500 decisions, or fewer where records are large."""
    size = max(1, min(MAX_ROWS, EVENT_BYTES * len(rows) // max(body_bytes, 1)))
    return [
        _event(version, request_id, rows, scores, decided, slice(start, start + size), latency_ms)
        for start in range(0, len(rows), size)
    ]


def _event(
    version: Version,
    request_id: str,
    rows: Rows,
    scores: Sequence[Sequence[float]],
    decided: Decided,
    part: slice,
    latency_ms: float,
) -> Served:
    count = len(rows.times[part])
    return Served(
        use_case=version.use_case,
        request_id=request_id,
        first_position=part.start,
        status="answered",
        latency_ms=latency_ms,
        release_sequence=version.sequence,
        package_digest=version.package_digest,
        behaviour_digest=version.behaviour_digest,
        contract_digest=version.contract_digest,
        event_times=rows.times[part],
        blocks=rows.blocks[part],
        scores=[list(each) for each in scores[part]],
        decisions=decided.decisions[part],
        reasons=decided.reasons[part],
        places=decided.places[part],
        propensities=[1.0] * count,
        arms=["model"] * count,
        flagged=rows.flagged[part],
        numbers={name: column[part] for name, column in rows.numbers.items()},
        categories={name: column[part] for name, column in rows.categories.items()},
    )


def missed_event(use_case: str, request_id: str, status: Missed, error: str, version: Version | None) -> Served:
    """Return the event of a request without answer; `version` is the release that was asked, None before the first."""
    return Served(
        use_case=use_case,
        request_id=request_id,
        first_position=0,
        status=status,
        latency_ms=0.0,
        error=error.replace("\0", "?")[:4096],
        release_sequence=version.sequence if version else 0,
        package_digest=version.package_digest if version else None,
        behaviour_digest=version.behaviour_digest if version else None,
        contract_digest=version.contract_digest if version else None,
    )


def message_of(event: Served, body: bytes, source: str, time: datetime) -> Message:
    """Return the record of an event; the id follows from the request, so that sending it twice is one event."""
    name = derived_id(PredictionServed.topic, event.use_case, event.request_id, event.status, str(event.first_position))
    headers = cloud_headers(PredictionServed.topic, name, source, time)
    return Message(PredictionServed.topic, f"{event.use_case}/{event.request_id}", headers, len(body))


def cloud_headers(topic: str, name: str, source: str, time: datetime) -> list[tuple[str, str]]:
    """Return the CloudEvents headers of an event that begins a story (shared.events writes the same)."""
    return [
        ("ce_specversion", "1.0"),
        ("ce_type", topic),
        ("content-type", "application/json"),
        ("ce_id", name),
        ("ce_source", source),
        ("ce_time", time.isoformat().replace("+00:00", "Z")),
        ("ce_correlationid", name),
    ]


def estimates(policy: Policy, scores: Sequence[Sequence[float]], decisions: Sequence[str]) -> list[float]:
    """Return the numbers that a regression decided for; empty for a classification."""
    if policy.task != "regression":
        return []
    return [estimate_of(policy, decision, each) for decision, each in zip(decisions, scores, strict=True)]


def render(head: Head, events: Sequence[Served]) -> bytes:
    """Return the answer of an entry: the same bytes each time."""
    first = events[0]
    predictions: list[dict[str, Any]] = []
    for event in events:
        for row in range(len(event.decisions)):
            position = event.first_position + row
            predictions.append(_prediction(head, event, row, position))
    return SERVED_JSON.encode(
        {
            "request_id": first.request_id,
            "use_case": first.use_case,
            "release": first.release_sequence,
            "version": first.package_digest,
            "behaviour": first.behaviour_digest,
            "predictions": predictions,
        }
    )


def _prediction(head: Head, event: Served, row: int, position: int) -> dict[str, Any]:
    said: dict[str, Any] = {
        "prediction_id": f"{event.request_id}/{position}",
        "score": _score(head, event.scores[row], position),
        "decision": event.decisions[row],
        "reason": event.reasons[row],
    }
    if event.flagged[row]:
        said["flagged"] = event.flagged[row]
    return said


def _score(head: Head, scores: Sequence[float], position: int) -> float | Mapping[str, float]:
    if head.estimates:
        return head.estimates[position]
    return dict(zip(head.classes, scores, strict=True)) if len(scores) > 1 else scores[0]


def read_served(body: bytes) -> Served:
    """Read an event's body back from the journal."""
    return _SERVED.decode(body)
