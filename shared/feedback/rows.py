"""Events of the two data topics as rows of the feedback tables, gathered column by column."""

from collections.abc import Sequence
from itertools import repeat
from typing import Any, Generic, TypeVar

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shared.events import OutcomeRecorded, PredictionServed
from shared.events.quick import Served, Told
from shared.feedback.schema import CATEGORY, DECISIONS, NUMBER, OUTCOMES

E_co = TypeVar("E_co", covariant=True)
# What a request says once, and what it says for each of its rows.
_OF_REQUEST = (
    *("use_case", "request_id", "release_sequence", "package_digest", "behaviour_digest", "contract_digest"),
    *("latency_ms", "event_id", "kafka_partition", "kafka_offset"),
)
_OF_ROW = ("event_time", "block", "decision", "reason", "place", "propensity", "arm")
_LISTS: dict[str, pa.DataType] = {"scores": pa.float64(), "flagged": pa.string()}
_OF_OUTCOME = ("use_case", "prediction_id", "label", "value", "known_at", "event_id", "source")
Shape = tuple[tuple[str, ...], tuple[str, ...]]


class Placed(msgspec.Struct, Generic[E_co], frozen=True):
    """An event and where it lies in its topic."""

    event: E_co
    partition: int
    offset: int


class DecisionColumns:
    """Rows of `decisions` in the making: one per answered prediction.

    A feature that an event does not carry is null in its rows.
    """

    def __init__(self) -> None:
        self.rows = 0
        self._requests: list[tuple[Any, ...]] = []
        self._columns: tuple[list[Any], ...] = tuple([] for _ in _OF_ROW)
        self._lists: dict[str, tuple[list[Any], list[int]]] = {name: ([], [0]) for name in _LISTS}
        self._features: dict[str, list[Any]] = {}
        self._shape: Shape | None = None
        self._present: list[list[Any]] = []

    def add(self, event: PredictionServed | Served, partition: int, offset: int) -> None:
        """Take the rows of one event."""
        count = len(event.event_times)
        self._requests.append(
            (
                *(event.use_case, event.request_id, event.release_sequence, event.package_digest),
                *(event.behaviour_digest, event.contract_digest, event.latency_ms, event.id, partition, offset),
                *(count, event.first_position),
            )
        )
        times, blocks, decisions, reasons, places, propensities, arms = self._columns
        times += event.event_times
        blocks += event.blocks
        decisions += event.decisions
        reasons += event.reasons
        places += event.places
        propensities += event.propensities
        arms += event.arms
        _flatten(self._lists["scores"], event.scores)
        _flatten(self._lists["flagged"], event.flagged)
        numbers, categories = event.numbers, event.categories
        if (shape := (tuple(numbers), tuple(categories))) != self._shape:
            self._shape, self._present = shape, self._columns_of(shape)
        given: tuple[Any, ...] = (*numbers.values(), *categories.values())
        for column, values in zip(self._present, given, strict=True):
            column += values
        self.rows += count

    def table(self) -> pa.Table:
        """The rows so far: the columns of DECISIONS, then the features by name."""
        requests: list[Sequence[Any]] = [*zip(*self._requests, strict=True)] or [[] for _ in (*_OF_REQUEST, 0, 0)]
        *of_request, counts, firsts = requests
        of_row = _Spread(np.array(counts, dtype=np.int64))
        given: dict[str, Any] = {
            name: of_row.spread(pa.array(values, DECISIONS.field(name).type))
            for name, values in zip(_OF_REQUEST, of_request, strict=True)
        }
        given |= {
            name: pa.array(values, DECISIONS.field(name).type)
            for name, values in zip(_OF_ROW, self._columns, strict=True)
        }
        for name, (values, ends) in self._lists.items():
            given[name] = pa.ListArray.from_arrays(pa.array(ends, pa.int32()), pa.array(values, _LISTS[name]))
        given["position"] = pa.array(of_row.place + np.repeat(np.array(firsts, dtype=np.int64), of_row.counts))
        positions = given["position"].cast(pa.string())
        given["prediction_id"] = pc.binary_join_element_wise(given["request_id"], positions, "/")
        given["event_day"] = given["event_time"].cast(pa.date32())
        columns = [given[name] for name in DECISIONS.names]
        schema = DECISIONS
        for name in sorted(self._features):
            kind = pa.float64() if name.startswith(NUMBER) else pa.string()
            columns.append(pa.array(self._filled(name), kind))
            schema = schema.append(pa.field(name, kind))
        return pa.Table.from_arrays(columns, schema=schema)

    def _columns_of(self, shape: Shape) -> list[list[Any]]:
        """The columns of these features, each as long as the rows so far."""
        numbers, categories = shape
        return [self._filled(name) for name in (*(NUMBER + n for n in numbers), *(CATEGORY + n for n in categories))]

    def _filled(self, name: str) -> list[Any]:
        column = self._features.setdefault(name, [])
        column += repeat(None, self.rows - len(column))
        return column


class OutcomeColumns:
    """Rows of `outcomes` in the making: one per outcome."""

    def __init__(self) -> None:
        self._rows: list[tuple[Any, ...]] = []

    @property
    def rows(self) -> int:
        """How many there are."""
        return len(self._rows)

    def add(self, event: OutcomeRecorded | Told, partition: int, offset: int) -> None:
        """Take the outcomes of one event."""
        use_case, name, source = event.use_case, event.id, event.source
        self._rows += [
            (use_case, one.prediction_id, one.label, one.value, one.known_at, name, source, partition, offset)
            for one in event.outcomes
        ]

    def table(self) -> pa.Table:
        """The rows so far."""
        names = (*_OF_OUTCOME, "kafka_partition", "kafka_offset")
        columns: list[Sequence[Any]] = [*zip(*self._rows, strict=True)] or [[] for _ in names]
        given: dict[str, Any] = {
            name: pa.array(values, OUTCOMES.field(name).type) for name, values in zip(names, columns, strict=True)
        }
        given["event_day"] = given["known_at"].cast(pa.date32())
        return pa.Table.from_arrays([given[name] for name in OUTCOMES.names], schema=OUTCOMES)


def decision_rows(batch: Sequence[Placed[PredictionServed]]) -> pa.Table:
    """One row per answered prediction. Refused and failed requests have no rows."""
    columns = DecisionColumns()
    for placed in batch:
        columns.add(placed.event, placed.partition, placed.offset)
    return columns.table()


def outcome_rows(batch: Sequence[Placed[OutcomeRecorded]]) -> pa.Table:
    """One row per outcome."""
    columns = OutcomeColumns()
    for placed in batch:
        columns.add(placed.event, placed.partition, placed.offset)
    return columns.table()


class _Spread:
    """Requests of so many rows each: what a request says once is said again for each of its rows."""

    def __init__(self, counts: np.ndarray[Any, np.dtype[np.int64]]) -> None:
        self.counts = counts
        total = int(counts.sum())
        starts = np.cumsum(counts) - counts
        self.place = np.arange(total, dtype=np.int64) - np.repeat(starts, counts)
        self._of_request: Any = pa.array(np.repeat(np.arange(len(counts)), counts)) if (counts != 1).any() else None

    def spread(self, values: Any) -> Any:
        """One value per row of one per request."""
        return values if self._of_request is None else values.take(self._of_request)


def _flatten(column: tuple[list[Any], list[int]], vectors: Sequence[Sequence[Any]]) -> None:
    values, ends = column
    for vector in vectors:
        values += vector
        ends.append(len(values))
