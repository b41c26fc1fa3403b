"""Counts the requests of a release, failed and answered: what failed comes in, what was answered is in the tables."""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import polars as pl

from services.monitor.technical import BlockRequests
from shared.feedback.schema import TOPICS
from shared.feedback.table import Days, FeedbackTable

_DAY = dt.timedelta(days=1)


class Failure(NamedTuple):
    """A request that failed at least once, and where the event lies that says so."""

    request_id: str
    partition: int
    offset: int


def count_requests(
    location: str | Path, use_case: str, sequence: int, failed: Mapping[str, Sequence[Failure]], before: dt.datetime
) -> list[BlockRequests]:
    """Count block by block what a release `failed`, and what it answered with an event time before `before`.

    A failure counts once the table has gone past its event: before that, what was answered beside it may be missing.
    """
    table = FeedbackTable(location, "decisions")
    keys = {(TOPICS["decisions"], one.partition) for failures in failed.values() for one in failures}
    following = {partition: offset for (_, partition), offset in table.offsets(keys).items()}
    answered = _answered(table, use_case, failed.keys(), before)
    after_all = set(answered["request_id"])
    counts = []
    for block, failures in failed.items():
        ids = {one.request_id for one in failures if one.offset < following.get(one.partition, 0)}
        mine = (pl.col("block") == block) & (pl.col("release_sequence") == sequence)
        counts.append(BlockRequests(block, len(ids - after_all), answered.filter(mine).height))
    return counts


def _answered(table: FeedbackTable, use_case: str, blocks: Iterable[str], before: dt.datetime) -> pl.DataFrame:
    """Distinct (block, release_sequence, request_id)."""
    names = sorted(blocks)
    days = [dt.date.fromisoformat(block) for block in names]
    # A local day touches its neighbours in UTC.
    rows = table.scan(use_case, Days(days[0] - _DAY, days[-1] + _DAY))
    wanted = pl.col("block").is_in(names) & (pl.col("event_time") < before.astimezone(dt.UTC))
    return rows.filter(wanted).select("block", "release_sequence", "request_id").unique().collect()
