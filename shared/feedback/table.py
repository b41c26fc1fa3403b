"""One feedback table: appends that carry their Kafka offsets inside, and reads of a pinned version."""

import datetime as dt
import logging
from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

import polars as pl
import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError

from shared.feedback.open_table import OpenTable
from shared.feedback.schema import PARTITIONS, SCHEMAS, STATISTICS, TableName, polars_schema
from shared.spine import points

log = logging.getLogger(__name__)

Offsets = Mapping[tuple[str, int], int]
_ATTEMPTS = 20


@dataclass(frozen=True)
class Days:
    """UTC days from `first` to `last`, both included; None is open."""

    first: dt.date | None = None
    last: dt.date | None = None


class Snapshot:
    """One version of a table: its columns and its files."""

    def __init__(self, table: DeltaTable) -> None:
        self.version = table.version()
        self.schema = polars_schema(table.schema())
        self._files = pl.DataFrame(pa.table(table.get_add_actions(flatten=True)))

    def paths(self, use_case: str | None, days: Days) -> set[str]:
        """The files that may hold rows of this use case and these days."""
        if self._files.is_empty():
            return set()
        day, wanted = pl.col("partition.event_day"), [pl.lit(True)]
        if use_case is not None:
            wanted.append(pl.col("partition.use_case") == use_case)
        if days.first is not None:
            wanted.append(day >= days.first)
        if days.last is not None:
            wanted.append(day <= days.last)
        return {str(path) for path in self._files.filter(*wanted)["path"]}

    def use_cases(self) -> list[str]:
        """Every use case that has a file."""
        return [] if self._files.is_empty() else sorted(map(str, self._files["partition.use_case"].unique()))

    def first_day(self) -> dt.date | None:
        """The oldest event day that has a file."""
        return None if self._files.is_empty() else self._files["partition.event_day"].min()  # type: ignore[return-value]

    def small_files(self, smaller_than: int) -> dict[tuple[str, dt.date], list[tuple[str, int]]]:
        """Per (use_case, event_day): path and bytes of each file below this size, oldest records first."""
        found: dict[tuple[str, dt.date], list[tuple[str, int]]] = {}
        if self._files.is_empty():
            return found
        small = self._files.filter(pl.col("size_bytes") < smaller_than).sort("min.kafka_offset", "path")
        names = ("partition.use_case", "partition.event_day", "path", "size_bytes")
        for use_case, day, path, size in small.select(names).iter_rows():
            found.setdefault((str(use_case), day), []).append((path, size))
        return found


class FeedbackTable:
    """The table `name` below `location` (a folder, or any URL that delta-rs knows)."""

    def __init__(self, location: str | Path, name: TableName, storage_options: dict[str, str] | None = None) -> None:
        self.name = name
        self.uri = f"{str(location).rstrip('/')}/{name}"
        self._options = storage_options
        self._kept = OpenTable(self.uri, storage_options)
        # Who rewrites files and who appends, in this process, take turns: neither loses its commit to the other.
        self.writing = _WRITING.setdefault(self.uri, Lock())

    def open(self) -> DeltaTable | None:
        """The table at its newest version; None before its first row."""
        try:
            return DeltaTable(self.uri, storage_options=self._options)
        except TableNotFoundError:
            return None

    def version(self) -> int | None:
        """The newest version; None before the first row."""
        with _LOOKING:
            table = _OPEN.setdefault(self.uri, OpenTable(self.uri, self._options)).newest()
            return None if table is None else _remember(self.uri, table).version

    def snapshot(self, version: int) -> Snapshot:
        """The table at a version: opened once, since a version never changes."""
        return _remembered(self.uri, version) or _remember(
            self.uri, DeltaTable(self.uri, version=version, storage_options=self._options)
        )

    def offsets(self, partitions: Iterable[tuple[str, int]]) -> dict[tuple[str, int], int]:
        """The next offset to read of each (topic, partition) that the table knows."""
        table = self.open()
        return {} if table is None else _stored(table, partitions)

    def append(self, rows: pa.Table, offsets: Offsets) -> int:
        """Add what the table does not have yet, together with the next offsets, in one commit; returns rows added.

        Rows below a stored offset are dropped and no offset is ever lowered, so the same batch twice is the same as
        once. Raises CommitFailedError when other writers win every attempt.
        """
        carried = {int(partition) for partition in pl.Series(rows["kafka_partition"]).unique()}
        if unknown := carried - {partition for _, partition in offsets}:
            raise ValueError(f"rows of partitions {sorted(unknown)} come without an offset")
        for attempt in range(_ATTEMPTS):
            try:
                with self.writing:
                    return self._append_once(rows, offsets)
            except CommitFailedError:
                log.info("another writer was first", extra={"table": self.name, "attempt": attempt})
            except BaseException:
                self._kept.close()
                raise
        raise CommitFailedError(f"{self.name}: {_ATTEMPTS} attempts lost against other writers")

    def scan(
        self,
        use_case: str | None = None,
        days: Days | None = None,
        version: int | None = None,
        added_since: int | None = None,
    ) -> pl.LazyFrame:
        """The rows of a use case and a range of event days at a version (the newest by default).

        Opens no other file. `added_since`: only files that came after that version; compaction may bring older rows
        along. An absent table is an empty one.
        """
        version = self.version() if version is None else version
        if version is None:
            return self.empty()
        paths = self.snapshot(version).paths(use_case, days or Days())
        if added_since is not None:
            paths -= self._paths_at(added_since)
        return self.scan_files(paths, version)

    def scan_files(self, paths: Collection[str], version: int) -> pl.LazyFrame:
        """The rows of some files, with the columns of a version."""
        schema = self.snapshot(version).schema
        if not paths:
            return pl.LazyFrame(schema=schema)
        return pl.scan_parquet(
            [f"{self.uri}/{path}" for path in sorted(paths)],
            glob=False,
            schema=schema,
            hive_partitioning=True,
            hive_schema={name: schema[name] for name in PARTITIONS},
            missing_columns="insert",
            extra_columns="ignore",
            storage_options=self._options,
        ).select(*SCHEMAS[self.name].names, *sorted(schema.keys() - set(SCHEMAS[self.name].names)))

    def _paths_at(self, version: int) -> set[str]:
        try:
            return self.snapshot(version).paths(None, Days())
        except DeltaError:
            # Its log was cleaned up: then every file may be new.
            log.warning("an old version is gone", extra={"table": self.name, "version": version})
            return set()

    def empty(self) -> pl.LazyFrame:
        """No rows, but the right columns."""
        return pl.LazyFrame(schema=polars_schema(SCHEMAS[self.name]))

    def _append_once(self, rows: pa.Table, offsets: Offsets) -> int:
        table = self._kept.newest() or self._create()
        stored = _stored(table, offsets)
        # Delta takes a lower version of an app transaction without a word: compare here.
        ahead = {key: following for key, following in offsets.items() if following > stored.get(key, 0)}
        if not ahead:
            return 0
        fresh = _fresh(rows, {partition: offset for (_, partition), offset in stored.items()})
        self._commit(table, fresh, ahead)
        return fresh.num_rows

    def _create(self) -> DeltaTable:
        return DeltaTable.create(
            self.uri,
            SCHEMAS[self.name],
            mode="ignore",
            partition_by=PARTITIONS,
            configuration={
                "delta.dataSkippingStatsColumns": STATISTICS[self.name],
                # Whoever opens the table reads every commit since the last checkpoint.
                "delta.checkpointInterval": "10",
            },
            storage_options=self._options,
        )

    def _commit(self, table: DeltaTable, rows: pa.Table, offsets: Offsets) -> None:
        transactions = [Transaction(_app_id(*key), following) for key, following in offsets.items()]
        properties = CommitProperties(app_transactions=transactions, max_commit_retries=0)
        if rows.num_rows == 0:
            table.create_write_transaction([], "append", table.schema(), PARTITIONS, commit_properties=properties)
            return
        points.reached(points.MID_DELTA_COMMIT)
        write_deltalake(table, rows, mode="append", schema_mode="merge", commit_properties=properties)


def _app_id(topic: str, partition: int) -> str:
    return f"monitor/{topic}/{partition}"


def _stored(table: DeltaTable, partitions: Iterable[tuple[str, int]]) -> dict[tuple[str, int], int]:
    found = {key: table.transaction_version(_app_id(*key)) for key in partitions}
    return {key: offset for key, offset in found.items() if offset is not None}


def _fresh(rows: pa.Table, stored: Mapping[int, int]) -> pa.Table:
    partitions, offsets = (pl.Series(rows[name]) for name in ("kafka_partition", "kafka_offset"))
    known = pl.repeat(value=False, n=rows.num_rows, eager=True)
    for partition, offset in stored.items():
        known |= (partitions == partition) & (offsets < offset)
    # Nearly always none is known: then nothing is copied.
    return rows.filter((~known).to_arrow()) if known.any() else rows


_WRITING: dict[str, Lock] = {}

# One thread at a time may look.
_LOOKING = Lock()
_OPEN: dict[str, OpenTable] = {}

# A step of the monitor asks for the same few versions again and again.
_SNAPSHOTS: OrderedDict[tuple[str, int], Snapshot] = OrderedDict()
_KEPT = 12


def _remembered(uri: str, version: int) -> Snapshot | None:
    return _SNAPSHOTS.get((uri, version))


def _remember(uri: str, table: DeltaTable) -> Snapshot:
    key = (uri, table.version())
    if key not in _SNAPSHOTS:
        _SNAPSHOTS[key] = Snapshot(table)
        while len(_SNAPSHOTS) > _KEPT:
            _SNAPSHOTS.popitem(last=False)
    return _SNAPSHOTS[key]
