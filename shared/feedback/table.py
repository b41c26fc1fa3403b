"""One feedback table: appends that carry their Kafka offsets inside, and reads of a pinned version."""

import datetime as dt
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
from deltalake.exceptions import CommitFailedError, TableNotFoundError

from shared.feedback.schema import PARTITIONS, SCHEMAS, STATISTICS, TableName, polars_schema

log = logging.getLogger(__name__)

Offsets = Mapping[tuple[str, int], int]
_ATTEMPTS = 20


@dataclass(frozen=True)
class Days:
    """UTC days from `first` to `last`, both included; None is open."""

    first: dt.date | None = None
    last: dt.date | None = None


class FeedbackTable:
    """The table `name` below `location` (a folder, or any URL that delta-rs knows)."""

    def __init__(self, location: str | Path, name: TableName, storage_options: dict[str, str] | None = None) -> None:
        self.name = name
        self.uri = f"{str(location).rstrip('/')}/{name}"
        self._options = storage_options

    def open(self, version: int | None = None) -> DeltaTable | None:
        """The table at a version, the newest by default; None before its first row."""
        try:
            return DeltaTable(self.uri, version=version, storage_options=self._options)
        except TableNotFoundError:
            return None

    def version(self) -> int | None:
        """The newest version; None before the first row."""
        table = self.open()
        return None if table is None else table.version()

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
                return self._append_once(rows, offsets)
            except CommitFailedError:
                log.info("another writer was first", extra={"table": self.name, "attempt": attempt})
        raise CommitFailedError(f"{self.name}: {_ATTEMPTS} attempts lost against other writers")

    def scan(
        self,
        use_case: str | None = None,
        days: Days | None = None,
        version: int | None = None,
        where: pl.Expr | None = None,
    ) -> pl.LazyFrame:
        """The rows of a use case and a range of event days, reading no other file.

        `where` further picks files by their statistics (columns `min.<column>`, `max.<column>`); it never drops rows.
        An absent table is an empty one.
        """
        table = self.open(version)
        if table is None:
            return self.empty()
        schema = polars_schema(table.schema())
        paths = _files(table, use_case, days or Days(), where)
        if not paths:
            return pl.LazyFrame(schema=schema)
        return pl.scan_parquet(
            [f"{self.uri}/{path}" for path in paths],
            glob=False,
            schema=schema,
            hive_partitioning=True,
            hive_schema={name: schema[name] for name in PARTITIONS},
            missing_columns="insert",
            storage_options=self._options,
        ).select(*SCHEMAS[self.name].names, *sorted(schema.keys() - set(SCHEMAS[self.name].names)))

    def empty(self) -> pl.LazyFrame:
        """No rows, but the right columns."""
        return pl.LazyFrame(schema=polars_schema(SCHEMAS[self.name]))

    def _append_once(self, rows: pa.Table, offsets: Offsets) -> int:
        table = self.open() or self._create()
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
            configuration={"delta.dataSkippingStatsColumns": STATISTICS[self.name]},
            storage_options=self._options,
        )

    def _commit(self, table: DeltaTable, rows: pa.Table, offsets: Offsets) -> None:
        transactions = [Transaction(_app_id(*key), following) for key, following in offsets.items()]
        properties = CommitProperties(app_transactions=transactions, max_commit_retries=0)
        if rows.num_rows == 0:
            table.create_write_transaction([], "append", table.schema(), PARTITIONS, commit_properties=properties)
            return
        write_deltalake(table, rows, mode="append", schema_mode="merge", commit_properties=properties)


def _app_id(topic: str, partition: int) -> str:
    return f"monitor/{topic}/{partition}"


def _stored(table: DeltaTable, partitions: Iterable[tuple[str, int]]) -> dict[tuple[str, int], int]:
    found = {key: table.transaction_version(_app_id(*key)) for key in partitions}
    return {key: offset for key, offset in found.items() if offset is not None}


def _fresh(rows: pa.Table, stored: Mapping[int, int]) -> pa.Table:
    for partition, offset in stored.items():
        rows = rows.filter((pc.field("kafka_partition") != partition) | (pc.field("kafka_offset") >= offset))
    return rows


def _files(table: DeltaTable, use_case: str | None, days: Days, where: pl.Expr | None) -> list[str]:
    actions = pl.DataFrame(pa.table(table.get_add_actions(flatten=True)))
    if actions.is_empty():
        return []
    wanted = [pl.lit(True)]
    if use_case is not None:
        wanted.append(pl.col("partition.use_case") == use_case)
    if days.first is not None:
        wanted.append(pl.col("partition.event_day") >= days.first)
    if days.last is not None:
        wanted.append(pl.col("partition.event_day") <= days.last)
    if where is not None:
        wanted.append(where)
    return sorted(str(path) for path in actions.filter(*wanted)["path"])
