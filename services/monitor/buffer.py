"""Rows in memory between two writes, with the next offset of each partition. Pure."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import pyarrow as pa

from shared.events import OutcomeRecorded, PredictionServed
from shared.feedback.rows import Placed, decision_rows, outcome_rows
from shared.feedback.schema import TOPICS, TableName

TABLE_OF: dict[str, TableName] = {topic: name for name, topic in TOPICS.items()}


class Batch(NamedTuple):
    """One append: rows, and the next offsets of the partitions that they came from."""

    table: TableName
    rows: pa.Table
    offsets: dict[tuple[str, int], int]


class Buffer:
    """Events that were read but not written; a record comes in once, in the order of its partition."""

    def __init__(self) -> None:
        self._served: list[Placed[PredictionServed]] = []
        self._told: list[Placed[OutcomeRecorded]] = []
        self._failed: list[Placed[PredictionServed]] = []
        self.following: dict[tuple[str, int], int] = {}
        self.written: dict[tuple[str, int], int] = {}
        self.rows = 0

    def begin(self, offsets: dict[tuple[str, int], int]) -> None:
        """Forget everything that is not written; go on from these offsets."""
        self._served, self._told, self._failed, self.rows = [], [], [], 0
        self.following, self.written = dict(offsets), dict(offsets)

    def add(self, topic: str, partition: int, offset: int, event: PredictionServed | OutcomeRecorded | None) -> None:
        """Take one record; None is one without rows (a dead letter): only its offset counts."""
        key = (topic, partition)
        if offset < self.following.get(key, 0):
            return
        self.following[key] = offset + 1
        match event:
            case PredictionServed(status="answered"):
                self._served.append(Placed(event, partition, offset))
                self.rows += len(event.event_times)
            case PredictionServed(status="failed") if event.release_sequence:
                self._failed.append(Placed(event, partition, offset))
                self.rows += 1
            case OutcomeRecorded():
                self._told.append(Placed(event, partition, offset))
                self.rows += len(event.outcomes)
            case _:
                pass

    def skip_to(self, key: tuple[str, int], offset: int) -> None:
        """Nothing before this offset is still to come."""
        self.following[key] = max(offset, self.following.get(key, 0))

    @property
    def is_clean(self) -> bool:
        """Everything that was read is written."""
        return self.following == self.written

    @property
    def failures(self) -> Sequence[Placed[PredictionServed]]:
        """The requests that a release failed, to be kept before the offsets move past them."""
        return tuple(self._failed)

    def batches(self) -> Sequence[Batch]:
        """What is to be written now: at most one append per table."""
        ready = []
        for topic, name in TABLE_OF.items():
            offsets = {
                key: following
                for key, following in self.following.items()
                if key[0] == topic and following > self.written.get(key, 0)
            }
            if offsets:
                rows = decision_rows(self._served) if name == "decisions" else outcome_rows(self._told)
                ready.append(Batch(name, rows, offsets))
        return ready

    def take_written(self, batches: Iterable[Batch]) -> None:
        """These batches are in their tables."""
        for batch in batches:
            self.written |= batch.offsets
        self._served = [placed for placed in self._served if self._is_open(TOPICS["decisions"], placed)]
        self._told = [placed for placed in self._told if self._is_open(TOPICS["outcomes"], placed)]
        self._failed = [placed for placed in self._failed if self._is_open(TOPICS["decisions"], placed)]
        self.rows = len(self._failed) + sum(len(placed.event.event_times) for placed in self._served)
        self.rows += sum(len(placed.event.outcomes) for placed in self._told)

    def _is_open(self, topic: str, placed: Placed[PredictionServed] | Placed[OutcomeRecorded]) -> bool:
        return placed.offset >= self.written.get((topic, placed.partition), 0)
