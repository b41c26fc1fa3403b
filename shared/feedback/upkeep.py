"""Keeps a feedback table small to read: joins small files, drops old days, deletes files that no version needs.

None of it moves a Kafka offset or a row that is kept: offsets lie in the log and are carried from version to version,
and rows name their records, so that nothing depends on which file or commit a row came with.
"""

import datetime as dt
import logging

from deltalake import CommitProperties
from deltalake.exceptions import CommitFailedError

from shared.feedback.table import FeedbackTable

log = logging.getLogger(__name__)
# Others write on meanwhile; whoever loses this often leaves it to the next look.
_RETRIES = CommitProperties(max_commit_retries=5)


def compact(table: FeedbackTable, more_than: int) -> int:
    """Join the files of each partition that has more than so many; returns how many partitions were rewritten.

    A partition that another writer rewrote first is left to the next look.
    """
    version = table.version()
    crowded = [] if version is None else table.snapshot(version).partitions(more_than)
    done = 0
    for use_case, day in crowded:
        opened = table.open()
        assert opened is not None
        try:
            where = [("use_case", "=", use_case), ("event_day", "=", day.isoformat())]
            opened.optimize.compact(where, commit_properties=_RETRIES)
            done += 1
        except CommitFailedError as lost:
            log.info("a partition is joined later", extra={"table": table.name, "day": str(day), "why": str(lost)[:200]})
    return done


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
