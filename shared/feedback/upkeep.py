"""Keeps a feedback table small to read: joins small files, drops old days, deletes files that no version needs.

None of it moves a Kafka offset or a row that is kept: offsets lie in the log and are carried from version to version,
and rows name their records, so that nothing depends on which file or commit a row came with.
"""

import datetime as dt
import logging

from deltalake import CommitProperties, write_deltalake
from deltalake.exceptions import CommitFailedError

from shared.feedback.table import Days, FeedbackTable

log = logging.getLogger(__name__)
# An append to another day may come in between; whoever else touches the same rows ends the attempt.
_RETRIES = CommitProperties(max_commit_retries=5)


def compact(table: FeedbackTable, more_than: int) -> int:
    """Join the files of each partition that has more than so many; returns how many partitions were rewritten.

    A partition that somebody else wrote meanwhile is left to the next look.
    """
    version = table.version()
    crowded = [] if version is None else table.snapshot(version).partitions(more_than)
    done = 0
    for use_case, day in crowded:
        try:
            _rewrite(table, use_case, day)
            done += 1
        except CommitFailedError as lost:
            log.info(
                "a partition is joined later", extra={"table": table.name, "day": str(day), "why": str(lost)[:200]}
            )
    return done


def _rewrite(table: FeedbackTable, use_case: str, day: dt.date) -> None:
    """The same rows in one file.

    Not `optimize`, which lets two members rewrite the same files at once: then every row is there twice.
    """
    opened = table.open()
    assert opened is not None
    rows = table.scan(use_case, Days(day, day), opened.version()).sort("kafka_partition", "kafka_offset").collect()
    where = f"use_case = '{use_case}' and event_day = '{day.isoformat()}'"
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
