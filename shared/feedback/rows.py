"""Events of the two data topics as rows of the feedback tables."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC
from typing import Any, Generic, TypeVar

import pyarrow as pa

from shared.events import Event, OutcomeRecorded, PredictionServed
from shared.feedback.schema import CATEGORY, DECISIONS, NUMBER, OUTCOMES

E = TypeVar("E", bound=Event)


@dataclass(frozen=True)
class Placed(Generic[E]):
    """An event and where it lies in its topic."""

    event: E
    partition: int
    offset: int


def decision_rows(batch: Sequence[Placed[PredictionServed]]) -> pa.Table:
    """One row per answered prediction; a feature that an event does not carry is null in its rows.

    Refused and failed requests have no rows.
    """
    columns: dict[str, list[Any]] = {name: [] for name in DECISIONS.names}
    features: dict[str, list[Any]] = {}
    for placed in batch:
        event, rows, before = placed.event, len(placed.event.event_times), len(columns["use_case"])
        positions = range(event.first_position, event.first_position + rows)
        given: dict[str, Sequence[Any]] = {
            "use_case": [event.use_case] * rows,
            "event_day": [time.astimezone(UTC).date() for time in event.event_times],
            "prediction_id": [f"{event.request_id}/{position}" for position in positions],
            "request_id": [event.request_id] * rows,
            "position": positions,
            "event_time": event.event_times,
            "block": event.blocks,
            "release_sequence": [event.release_sequence] * rows,
            "package_digest": [event.package_digest] * rows,
            "behaviour_digest": [event.behaviour_digest] * rows,
            "contract_digest": [event.contract_digest] * rows,
            "scores": event.scores,
            "decision": event.decisions,
            "reason": event.reasons,
            "place": event.places,
            "propensity": event.propensities,
            "arm": event.arms,
            "flagged": event.flagged,
            "latency_ms": [event.latency_ms] * rows,
            "event_id": [event.id] * rows,
            "kafka_partition": [placed.partition] * rows,
            "kafka_offset": [placed.offset] * rows,
        }
        for name, values in given.items():
            columns[name] += values
        _add_features(features, event, before)
    total = len(columns["use_case"])
    table = pa.table(columns, schema=DECISIONS)
    for name in sorted(features):
        values = features[name] + [None] * (total - len(features[name]))
        kind = pa.float64() if name.startswith(NUMBER) else pa.string()
        table = table.append_column(name, pa.array(values, kind))
    return table


def _add_features(features: dict[str, list[Any]], event: PredictionServed, before: int) -> None:
    given: dict[str, Sequence[Any]] = {NUMBER + name: values for name, values in event.numbers.items()}
    given |= {CATEGORY + name: values for name, values in event.categories.items()}
    for name, values in given.items():
        column = features.setdefault(name, [])
        column += [None] * (before - len(column))
        column += values


def outcome_rows(batch: Sequence[Placed[OutcomeRecorded]]) -> pa.Table:
    """One row per outcome."""
    rows = [
        {
            "use_case": placed.event.use_case,
            "event_day": outcome.known_at.astimezone(UTC).date(),
            "prediction_id": outcome.prediction_id,
            "label": outcome.label,
            "value": outcome.value,
            "known_at": outcome.known_at,
            "event_id": placed.event.id,
            "source": placed.event.source,
            "kafka_partition": placed.partition,
            "kafka_offset": placed.offset,
        }
        for placed in batch
        for outcome in placed.event.outcomes
    ]
    return pa.Table.from_pylist(rows, schema=OUTCOMES)
