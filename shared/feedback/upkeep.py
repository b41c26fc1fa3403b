"""Keeps a feedback table small to read: joins small files, drops old days, deletes files that no version needs.

None of it moves a Kafka offset or a row that is kept: offsets lie in the log and are carried from version to version,
and rows name their records, so that nothing depends on which file or commit a row came with.
"""

import datetime as dt
import logging
from collections.abc import Iterator, Sequence

import polars as pl
from deltalake import CommitProperties, write_deltalake
from deltalake.exceptions import CommitFailedError

from shared.feedback.table import Days, FeedbackTable

log = logging.getLogger(__name__)
# An append to another day may come in between; whoever else touches the same rows ends the attempt.
_RETRIES = CommitProperties(max_commit_retries=5)
_ATTEMPTS = 3
# What is joined at once, a bound for memory, and what is large enough to be left alone, so that no row is rewritten
# more than a few times.
JOIN_BYTES, LARGE_BYTES = 8 * 1024**2, 4 * 1024**2


def compact(table: FeedbackTable, more_than: int) -> int:
    """Join the small files of each partition that has more than so many; returns how many partitions were rewritten.

    What somebody else wrote meanwhile is left to the next look.
    """
    version = table.version()
    if version is None:
        return 0
    done = 0
    for (use_case, day), files in table.snapshot(version).small_files(LARGE_BYTES).items():
        if len(files) > more_than:
            joined = [_join(table, use_case, day, part) for part in _parts(files) if len(part) > 1]
            done += any(joined)
    return done


def _parts(files: Sequence[tuple[str, int]]) -> Iterator[list[str]]:
    part: list[str] = []
    size = 0
    for path, of_file in files:
        if part and size + of_file > JOIN_BYTES:
            yield part
            part, size = [], 0
        part.append(path)
        size += of_file
    yield part


def _join(table: FeedbackTable, use_case: str, day: dt.date, paths: Sequence[str]) -> bool:
    for attempt in range(_ATTEMPTS):
        try:
            with table.writing:
                _rewrite(table, use_case, day, paths)
        except CommitFailedError as lost:
            said = {"table": table.name, "day": str(day), "attempt": attempt, "why": str(lost)[:200]}
            log.info("another writer was first", extra=said)
        else:
            return True
    return False


def _rewrite(table: FeedbackTable, use_case: str, day: dt.date, paths: Sequence[str]) -> None:
    """The rows of these files, and whatever else lies between their records, in one file.

    Not `optimize`, which lets two members rewrite the same files at once: then every row is there twice. What is
    replaced and what is read are chosen by the same condition from the same version, so that no row is lost.
    """
    opened = table.open()
    assert opened is not None
    version = opened.version()
    whole = table.scan(use_case, Days(day, day), version)
    ends = table.scan_files(paths, version).group_by("kafka_partition").agg(
        pl.col("kafka_offset").min().alias("first"), pl.col("kafka_offset").max().alias("last")
    )  # fmt: skip
    spans = " or ".join(
        f"(kafka_partition = {partition} and kafka_offset >= {first} and kafka_offset <= {last})"
        for partition, first, last in ends.sort("kafka_partition").collect().iter_rows()
    )
    rows = whole.filter(pl.sql_expr(spans)).sort("kafka_partition", "kafka_offset").collect()
    where = f"use_case = '{use_case}' and event_day = '{day.isoformat()}' and ({spans})"
    write_deltalake(opened, rows.to_arrow(), mode="overwrite", predicate=where, commit_properties=_RETRIES)


def forget(table: FeedbackTable, before: dt.date) -> bool:
    """Drop every event day before this one from the newest version; returns whether there was any.

    Whole partitions go, so no file is rewritten; the files stay until `vacuum`.
    """
    version = table.version()
    first = None if version is None else table.snapshot(version).first_day()
    if first is None or first >= before:
        return False
    opened = table.open()
    assert opened is not None
    try:
        opened.delete(f"event_day < '{before.isoformat()}'", commit_properties=_RETRIES)
    except CommitFailedError as lost:
        log.info("old days are dropped later", extra={"table": table.name, "why": str(lost)[:200]})
        return False
    return True


def vacuum(table: FeedbackTable, keep_hours: int) -> int:
    """Delete the files that no version of the last hours needs; returns how many.

    By the machine's time, since that is what commits carry: whoever pinned a version younger than this can read it.
    """
    opened = table.open()
    # A look first, for a vacuum is two commits even when it finds nothing; `full`: what a killed writer left, too.
    if opened is None or not opened.vacuum(keep_hours, dry_run=True, enforce_retention_duration=False, full=True):
        return 0
    return len(opened.vacuum(keep_hours, dry_run=False, enforce_retention_duration=False, full=True))
