"""Rows in memory between two writes, with the next offset of each partition. Pure."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import pyarrow as pa

from shared.events import OutcomeRecorded, PredictionServed
from shared.events.quick import Served, Told
from shared.feedback.rows import DecisionColumns, OutcomeColumns, Placed
from shared.feedback.schema import TOPICS, TableName

TABLE_OF: dict[str, TableName] = {topic: name for name, topic in TOPICS.items()}


class Batch(NamedTuple):
    """One append: rows, and the next offsets of the partitions that they came from."""

    table: TableName
    rows: pa.Table
    offsets: dict[tuple[str, int], int]


class Buffer:
    """Rows of records that were read but not written; a record comes in once, in the order of its partition."""

    def __init__(self) -> None:
        self.following: dict[tuple[str, int], int] = {}
        self.written: dict[tuple[str, int], int] = {}
        self._served, self._told = DecisionColumns(), OutcomeColumns()
        # Rows that were handed out to be written, until it is known that they are.
        self._ready: dict[TableName, list[pa.Table]] = {name: [] for name in TOPICS}
        self._failed: list[Placed[PredictionServed]] = []

    def begin(self, offsets: dict[tuple[str, int], int]) -> None:
        """Forget everything that is not written; go on from these offsets."""
        self._served, self._told = DecisionColumns(), OutcomeColumns()
        self._ready, self._failed = {name: [] for name in TOPICS}, []
        self.following, self.written = dict(offsets), dict(offsets)

    def add(
        self,
        topic: str,
        partition: int,
        offset: int,
        event: PredictionServed | OutcomeRecorded | Served | Told | None,
    ) -> None:
        """Take one record; None is one without rows (a dead letter): only its offset counts."""
        key = (topic, partition)
        if offset < self.following.get(key, 0):
            return
        self.following[key] = offset + 1
        match event:
            case Served() | PredictionServed(status="answered"):
                self._served.add(event, partition, offset)
            case OutcomeRecorded() | Told():
                self._told.add(event, partition, offset)
            case PredictionServed(status="failed") if event.release_sequence:
                self._failed.append(Placed(event, partition, offset))
            case _:
                pass

    def skip_to(self, key: tuple[str, int], offset: int) -> None:
        """Nothing before this offset is still to come."""
        self.following[key] = max(offset, self.following.get(key, 0))

    @property
    def rows(self) -> int:
        """How much is in memory: rows of both tables, and failed requests."""
        begun = sum(rows.num_rows for tables in self._ready.values() for rows in tables)
        return begun + self._served.rows + self._told.rows + len(self._failed)

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
        columns: dict[TableName, DecisionColumns | OutcomeColumns] = {"decisions": self._served, "outcomes": self._told}
        for name, of_table in columns.items():
            if of_table.rows or not self._ready[name]:
                self._ready[name].append(of_table.table())
        self._served, self._told = DecisionColumns(), OutcomeColumns()
        ready = []
        for topic, name in TABLE_OF.items():
            offsets = {
                key: following
                for key, following in self.following.items()
                if key[0] == topic and following > self.written.get(key, 0)
            }
            if offsets:
                rows = pa.concat_tables(self._ready[name], promote_options="default")
                self._ready[name] = [rows]
                ready.append(Batch(name, rows, offsets))
        return ready

    def take_written(self, batches: Iterable[Batch]) -> None:
        """These batches are in their tables."""
        for batch in batches:
            self.written |= batch.offsets
            self._ready[batch.table] = []
        topic = TOPICS["decisions"]
        self._failed = [one for one in self._failed if one.offset >= self.written.get((topic, one.partition), 0)]
