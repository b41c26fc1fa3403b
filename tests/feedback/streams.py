"""Small streams of predictions and outcomes for tests, as serving would send them."""

import datetime as dt
from collections.abc import Mapping, Sequence
from pathlib import Path

from shared.events import Outcome, OutcomeRecorded, PredictionServed
from shared.feedback.rows import Placed, decision_rows, outcome_rows
from shared.feedback.table import FeedbackTable

NOON = dt.datetime(2013, 3, 1, 12, tzinfo=dt.UTC)
PACKAGE, BEHAVIOUR, CONTRACT = "a" * 64, "b" * 64, "c" * 64


def served(
    request_id: str,
    times: Sequence[dt.datetime] = (NOON,),
    *,
    block: str | None = None,
    scores: Sequence[float] | None = None,
    decisions: Sequence[str] | None = None,
    numbers: Mapping[str, list[float | None]] | None = None,
    release: int = 1,
    use_case: str = "flights",
    contract_digest: str = CONTRACT,
) -> PredictionServed:
    """One answered request; the block is the UTC day unless given."""
    rows = len(times)
    return PredictionServed.begin(
        source="serving",
        time=times[0],
        use_case=use_case,
        request_id=request_id,
        status="answered",
        release_sequence=release,
        package_digest=PACKAGE,
        behaviour_digest=BEHAVIOUR,
        contract_digest=contract_digest,
        event_times=list(times),
        blocks=[block or time.date().isoformat() for time in times],
        scores=[[score] for score in scores or [0.5] * rows],
        decisions=list(decisions or ["act"] * rows),
        reasons=["cost"] * rows,
        places=[None] * rows,
        propensities=[1.0] * rows,
        arms=["model"] * rows,
        flagged=[[] for _ in range(rows)],
        numbers=dict(numbers or {"distance": [100.0] * rows}),
        categories={"carrier": ["UA"] * rows},
    )


def failed(
    request_id: str, time: dt.datetime = NOON, *, release: int = 1, use_case: str = "flights", status: str = "failed"
) -> PredictionServed:
    """One request without an answer, under a release."""
    return PredictionServed.begin(
        source="serving",
        time=time,
        use_case=use_case,
        request_id=request_id,
        status=status,
        error="the model gives no finite score",
        release_sequence=release,
    )


def happened(
    labels: Mapping[str, str], known_at: dt.datetime = NOON + dt.timedelta(hours=5), use_case: str = "flights"
) -> OutcomeRecorded:
    """Outcomes by prediction id, all known at one time."""
    outcomes = [Outcome(prediction_id=name, label=label, known_at=known_at) for name, label in labels.items()]
    return OutcomeRecorded.begin(source="airport", time=known_at, use_case=use_case, outcomes=outcomes)


def store(
    location: Path, decisions: Sequence[PredictionServed] = (), outcomes: Sequence[OutcomeRecorded] = (), start: int = 0
) -> None:
    """Append the events as if they lay in partition 0 from offset `start`."""
    if decisions:
        placed = [Placed(event, 0, start + i) for i, event in enumerate(decisions)]
        offsets = {("prediction_served", 0): start + len(placed)}
        FeedbackTable(location, "decisions").append(decision_rows(placed), offsets)
    if outcomes:
        told = [Placed(event, 0, start + i) for i, event in enumerate(outcomes)]
        FeedbackTable(location, "outcomes").append(outcome_rows(told), {("outcome_recorded", 0): start + len(told)})
