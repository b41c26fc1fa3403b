"""The columns of the two feedback tables and what each of them means."""

from typing import Literal

import polars as pl
import pyarrow as pa
from deltalake import Schema as DeltaSchema

TableName = Literal["decisions", "outcomes"]

PARTITIONS = ["use_case", "event_day"]
TOPICS: dict[TableName, str] = {"decisions": "prediction_served", "outcomes": "outcome_recorded"}
NUMBER = "num_"
CATEGORY = "cat_"

_INSTANT = pa.timestamp("us", tz="UTC")

_DECISIONS: dict[str, pa.DataType] = {
    "use_case": pa.string(),
    "event_day": pa.date32(),
    "prediction_id": pa.string(),
    "request_id": pa.string(),
    "position": pa.int64(),
    "event_time": _INSTANT,
    "block": pa.string(),
    "release_sequence": pa.int64(),
    "package_digest": pa.string(),
    "behaviour_digest": pa.string(),
    "contract_digest": pa.string(),
    "scores": pa.list_(pa.float64()),
    "decision": pa.string(),
    "reason": pa.string(),
    "place": pa.int64(),
    "propensity": pa.float64(),
    "arm": pa.string(),
    "flagged": pa.list_(pa.string()),
    "latency_ms": pa.float64(),
    "event_id": pa.string(),
    "kafka_partition": pa.int64(),
    "kafka_offset": pa.int64(),
}
DECISIONS = pa.schema(_DECISIONS)

_OUTCOMES: dict[str, pa.DataType] = {
    "use_case": pa.string(),
    "event_day": pa.date32(),
    "prediction_id": pa.string(),
    "label": pa.string(),
    "value": pa.float64(),
    "known_at": _INSTANT,
    "event_id": pa.string(),
    "source": pa.string(),
    "kafka_partition": pa.int64(),
    "kafka_offset": pa.int64(),
}
OUTCOMES = pa.schema(_OUTCOMES)

SCHEMAS: dict[TableName, pa.Schema] = {"decisions": DECISIONS, "outcomes": OUTCOMES}

# Only what files are picked by: statistics over every feature would make each commit and each log replay slower.
STATISTICS: dict[TableName, str] = {
    "decisions": "kafka_partition,kafka_offset,event_time",
    "outcomes": "kafka_partition,kafka_offset,known_at",
}

MEANINGS: dict[str, str] = {
    "use_case": "the use case whose contract governs the row",
    "event_day": "UTC day of event_time (decisions) or known_at (outcomes); partition",
    "prediction_id": "request_id/position: names one prediction for ever",
    "request_id": "the request that asked for it",
    "position": "place of the record in its request, from 0",
    "event_time": "when the fact happened that was decided on",
    "block": "the contract's block (a calendar day in its time zone)",
    "release_sequence": "the release that answered",
    "package_digest": "the package of that release",
    "behaviour_digest": "what names the model's behaviour, whatever bytes it was written in",
    "contract_digest": "the contract under which it was decided",
    "scores": "probabilities of the classes (binary: of the positive one), or the estimate",
    "decision": "what was decided",
    "reason": "why: cost, capacity, control or flagged",
    "place": "place in the capacity ledger of the block, if the decision takes one",
    "propensity": "probability with which this decision was drawn; 1 unless randomised",
    "arm": "model, control or audit",
    "flagged": "features outside their range or type",
    "latency_ms": "time that the request took in serving, milliseconds",
    "event_id": "the event that brought the row",
    "kafka_partition": "where that event lies",
    "kafka_offset": "where that event lies",
    "label": "the class that really happened",
    "value": "the number that really happened (regression)",
    "known_at": "when this became known",
    "source": "who reported it",
}


def polars_schema(schema: pa.Schema | DeltaSchema) -> pl.Schema:
    """The same columns as polars types."""
    return pl.Schema(schema)


def feature_columns(numbers: list[str], categories: list[str]) -> dict[str, str]:
    """Column of each feature, in the order given.

    >>> feature_columns(["distance"], ["carrier"])
    {'distance': 'num_distance', 'carrier': 'cat_carrier'}
    """
    return {name: NUMBER + name for name in numbers} | {name: CATEGORY + name for name in categories}
