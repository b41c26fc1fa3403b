"""PURE: from scores to decisions, to the events that say so, and to the answer, which is a function of those events.

A repeated request gets its first answer back by rendering the entry of the journal again, whatever release is live.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Literal, NamedTuple

import msgspec

from services.serving.counting import count_pairs
from services.serving.decode import Rows
from services.serving.entries import Head, Message, Taken
from services.serving.faults import Refused
from services.serving.headers import cloud_headers
from services.serving.ids import served_id
from services.serving.ledger import CapacityTaken
from services.serving.version import Version
from shared.contract import Policy, Reason, decide, decide_in_order, estimate_of
from shared.contract.arms import Drawn
from shared.events import MAX_ROWS, PredictionServed

# Well below the 1 MiB that an event may have; one decision alone may go up to the second.
EVENT_BYTES, LARGEST_EVENT = 600_000, 1_000_000
# So many rows are decided sooner one by one than all together.
FEW_ROWS = 16
# How a request ends that gets no answer: by its client's fault, or not.
Missed = Literal["refused", "failed"]


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
    event_times: Sequence[datetime] = []
    blocks: list[str] = []
    scores: Sequence[Sequence[float]] = []
    decisions: list[str] = []
    reasons: Sequence[str] = []
    places: list[int | None] = []
    propensities: list[float] = []
    arms: Sequence[str] = []
    flagged: list[list[str]] = []
    numbers: Mapping[str, Sequence[float | None]] = {}
    categories: Mapping[str, Sequence[str | None]] = {}


class Decided(NamedTuple):
    """The decisions of one request, and the capacity that they take."""

    decisions: list[str]
    reasons: list[Reason]
    places: list[int | None]
    taken: Taken
    drawn: Drawn | None = None

    def part(self, start: int, stop: int, blocks: Sequence[str]) -> "Decided":
        """The decisions of one request among several; `blocks` are its own. Nothing was drawn for any of them."""
        decisions, places = self.decisions[start:stop], self.places[start:stop]
        return Decided(decisions, self.reasons[start:stop], places, _taken(blocks, decisions))


SERVED_JSON = msgspec.json.Encoder()
_SERVED = msgspec.json.Decoder(Served)


def decide_rows(
    policy: Policy,
    rows: Rows,
    scores: Sequence[Sequence[float]],
    counts: CapacityTaken,
    use_case: str,
    drawn: Drawn | None = None,
) -> Decided:
    """Decide row by row in the order of the request, each with the capacity that the rows before it left."""
    control = drawn.control if drawn else None
    used = {block: counts.of(use_case, block) for block in (rows.blocks if len(rows) == 1 else set(rows.blocks))}
    if len(rows) > FEW_ROWS:
        marked = [bool(each) for each in rows.flagged] if any(rows.flagged) else None
        found = decide_in_order(policy, rows.blocks, scores, marked, used, control)
        return Decided(found.decisions, found.reasons, found.places, _taken(rows.blocks, found.decisions), drawn)
    decided = Decided([], [], [], {}, drawn)
    left: dict[str, dict[str, int]] = {}
    # A control case is decided as an odd one is, for another reason; no odd one is a control case.
    odd = [flagged or aside for flagged, aside in zip(rows.flagged, control, strict=True)] if control else rows.flagged
    for block, score, flagged in zip(rows.blocks, scores, odd, strict=True):
        room = left.get(block)
        if room is None:
            before = used[block]
            room = left[block] = {name: limit - before.get(name, 0) for name, limit in policy.limits.items()}
        decision, reason, _ = decide(policy, score, room, bool(flagged))
        place = None
        if decision in room:
            room[decision] -= 1
            place = policy.limits[decision] - room[decision]
        decided.decisions.append(decision)
        decided.reasons.append(reason)
        decided.places.append(place)
    for row in (row for row, aside in enumerate(control or ()) if aside):
        decided.reasons[row] = "control"
    decided.taken.update(_taken(rows.blocks, decided.decisions))
    return decided


def _taken(blocks: Sequence[str], decisions: Sequence[str]) -> Taken:
    taken: Taken = {}
    for (block, decision), count in count_pairs(blocks, decisions).items():
        taken.setdefault(block, {})[decision] = count
    return taken


def served_events(
    version: Version,
    request_id: str,
    rows: Rows,
    scores: Sequence[Sequence[float]],
    decided: Decided,
    latency_ms: float,
) -> list[tuple[Served, bytes]]:
    """Return the events of an answered request and their bodies: 500 decisions each, or fewer where records are large.

    Raises Refused for a record that is too large for any event.
    """

    event_of = partial(_event, version, request_id, rows, scores, decided, latency_ms)
    if len(rows) <= MAX_ROWS:
        return _written(event_of, 0, len(rows))
    starts = range(0, len(rows), MAX_ROWS)
    return [each for start in starts for each in _written(event_of, start, min(start + MAX_ROWS, len(rows)))]


def _written(event_of: Callable[[int, int], Served], start: int, stop: int) -> list[tuple[Served, bytes]]:
    event = event_of(start, stop)
    body = SERVED_JSON.encode(event)
    if len(body) <= EVENT_BYTES or (stop - start == 1 and len(body) <= LARGEST_EVENT):
        return [(event, body)]
    if stop - start == 1:
        said = f"record {start} makes an event of {len(body)} bytes, at most {LARGEST_EVENT} are allowed"
        raise Refused(422, said, record=start, limit=LARGEST_EVENT)
    middle = (start + stop) // 2
    return _written(event_of, start, middle) + _written(event_of, middle, stop)


def _event(
    version: Version,
    request_id: str,
    rows: Rows,
    scores: Sequence[Sequence[float]],
    decided: Decided,
    latency_ms: float,
    start: int,
    stop: int,
) -> Served:
    part, count = slice(start, stop), stop - start
    numbers, categories = rows.numbers, rows.categories
    if count < len(rows):
        numbers = {name: column[part] for name, column in numbers.items()}
        categories = {name: column[part] for name, column in categories.items()}
    return Served(
        use_case=version.use_case,
        request_id=request_id,
        first_position=start,
        status="answered",
        latency_ms=latency_ms,
        release_sequence=version.sequence,
        package_digest=version.package_digest,
        behaviour_digest=version.behaviour_digest,
        contract_digest=version.contract_digest,
        event_times=rows.times[part],
        blocks=rows.blocks[part],
        scores=scores[part],
        decisions=decided.decisions[part],
        reasons=decided.reasons[part],
        places=decided.places[part],
        propensities=decided.drawn.propensities[part] if decided.drawn else [1.0] * count,
        arms=decided.drawn.arms[part] if decided.drawn else ["model"] * count,
        flagged=rows.flagged[part],
        numbers=numbers,
        categories=categories,
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
    name = served_id(event.use_case, event.request_id, event.status, event.first_position)
    headers = cloud_headers(PredictionServed.topic, name, source, time)
    return Message(PredictionServed.topic, f"{event.use_case}/{event.request_id}", headers, len(body))


def estimates(policy: Policy, scores: Sequence[Sequence[float]], decisions: Sequence[str]) -> list[float]:
    """Return the numbers that a regression decided for; empty for a classification."""
    if policy.task != "regression":
        return []
    return [estimate_of(policy, decision, each) for decision, each in zip(decisions, scores, strict=True)]


class Prediction(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One decision as the answer says it."""

    prediction_id: str
    score: float | Mapping[str, float]
    decision: str
    reason: str
    flagged: Sequence[str] = []


class DrawnPrediction(Prediction, frozen=True, omit_defaults=True):
    """The same under a contract that takes a share; nothing is said of the usual arm."""

    arm: str | msgspec.UnsetType = msgspec.UNSET


class Said(msgspec.Struct, frozen=True):
    """The answer."""

    request_id: str
    use_case: str
    release: int
    version: str | None
    behaviour: str | None
    predictions: list[Prediction]


def render(head: Head, events: Sequence[Served]) -> bytes:
    """Return the answer of an entry: the same bytes each time."""
    first = events[0]
    predictions: list[Prediction] = []
    kind = DrawnPrediction if head.arms else Prediction
    for event in events:
        start, name = event.first_position, event.request_id
        columns: list[Sequence[Any]] = [
            _stated(head, event.scores, start),
            event.decisions,
            event.reasons,
            event.flagged,
        ]
        if head.arms:
            columns.append([msgspec.UNSET if arm == "model" else arm for arm in event.arms])
        names = [f"{name}/{start + row}" for row in range(len(event.decisions))]
        predictions += map(kind, names, *columns)
    return SERVED_JSON.encode(
        Said(
            first.request_id,
            first.use_case,
            first.release_sequence,
            first.package_digest,
            first.behaviour_digest,
            predictions,
        )
    )


def _stated(head: Head, scores: Sequence[Sequence[float]], start: int) -> Sequence[float | Mapping[str, float]]:
    if head.estimates:
        return head.estimates[start : start + len(scores)]
    return [dict(zip(head.classes, each, strict=True)) if len(each) > 1 else each[0] for each in scores]


def read_served(body: bytes) -> Served:
    """Read an event's body back from the journal."""
    return _SERVED.decode(body)
