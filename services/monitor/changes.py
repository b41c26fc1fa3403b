"""Finds the blocks that new rows touch: new decisions, and outcomes that became known since the last look."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from shared.feedback.joined import Versions
from shared.feedback.schema import TOPICS, TableName
from shared.feedback.table import Days, FeedbackTable

_NAMED_BY = ["use_case", "block", "release_sequence", "package_digest", "behaviour_digest", "contract_digest"]
_OUTCOME = ["use_case", "event_day", "prediction_id", "known_at"]
_DAY = dt.timedelta(days=1)
DEFAULT_LOOKBACK = dt.timedelta(days=14)

NOTHING = Versions(None, None)


@dataclass(frozen=True)
class Look:
    """How far the tables were looked at: versions, the next offset per (topic, partition), and the event time."""

    versions: Versions = NOTHING
    following: Mapping[tuple[str, int], int] = field(default_factory=dict)
    at: dt.datetime | None = None


@dataclass(frozen=True, order=True)
class Touched:
    """A (block, release) whose report may have changed."""

    use_case: str
    block: str
    release_sequence: int
    package_digest: str
    behaviour_digest: str
    contract_digest: str


@dataclass(frozen=True)
class Changes:
    """What a look found, and where the next one begins."""

    touched: list[Touched]
    look: Look


def find_changes(
    location: str | Path,
    last: Look,
    versions: Versions,
    now: dt.datetime,
    lookback: Mapping[str, dt.timedelta],
    *,
    outcomes_too: bool = True,
) -> Changes:
    """Look at what came into the tables since `last`, up to `versions`; the same look twice finds the same.

    `lookback`: per use case, how long after its prediction a label usually comes; older decisions are searched only
    for outcomes that find none within it. Without `outcomes_too` outcomes are left to a later look.
    """
    following = dict(last.following)
    decisions = _new_rows(location, "decisions", last.versions.decisions, versions.decisions, following)
    touched = {Touched(*row) for row in decisions.select(_NAMED_BY).unique().iter_rows()}
    if not outcomes_too and last.at is not None:
        later = Look(Versions(versions.decisions, last.versions.outcomes), following, last.at)
        return Changes(sorted(touched), later)
    arrived = _new_rows(location, "outcomes", last.versions.outcomes, versions.outcomes, following)
    outcomes = pl.concat([arrived.filter(pl.col("known_at") <= now), _became_known(location, last, versions, now)])
    for (use_case,), rows in outcomes.group_by("use_case"):
        days = lookback.get(str(use_case), DEFAULT_LOOKBACK)
        touched |= _decided(location, str(use_case), rows, versions.decisions, days)
    return Changes(sorted(touched), Look(versions, following, now))


def _new_rows(
    location: str | Path, name: TableName, seen: int | None, version: int | None, following: dict[tuple[str, int], int]
) -> pl.DataFrame:
    """Rows of records not looked at yet; moves `following` past them."""
    table, topic = FeedbackTable(location, name), TOPICS[name]
    wanted = [*(_OUTCOME if name == "outcomes" else _NAMED_BY), "kafka_partition", "kafka_offset"]
    if version is None or version == seen:
        return table.empty().select(wanted).collect()
    # Joined files hold old rows too: what is known is left out while they are read.
    scanned = table.scan(version=version, added_since=seen).select(wanted)
    for (of, partition), offset in following.items():
        if of == topic:
            scanned = scanned.filter((pl.col("kafka_partition") != partition) | (pl.col("kafka_offset") >= offset))
    rows = scanned.collect(engine="streaming")
    for partition, last in rows.group_by("kafka_partition").agg(pl.col("kafka_offset").max()).iter_rows():
        following[topic, int(partition)] = int(last) + 1
    return rows


def _became_known(location: str | Path, last: Look, versions: Versions, now: dt.datetime) -> pl.DataFrame:
    """Outcomes told earlier about what was then the future."""
    columns = [*_OUTCOME, "kafka_partition", "kafka_offset"]
    table = FeedbackTable(location, "outcomes")
    if versions.outcomes is None or last.at is None or last.at >= now:
        return table.empty().select(columns).collect()
    days = Days(last.at.astimezone(dt.UTC).date(), now.astimezone(dt.UTC).date())
    known = pl.col("known_at").is_between(last.at, now, closed="right")
    return table.scan(days=days, version=versions.outcomes).filter(known).select(columns).collect()


def _decided(
    location: str | Path, use_case: str, outcomes: pl.DataFrame, version: int | None, lookback: dt.timedelta
) -> set[Touched]:
    """The blocks that decided on the predictions of these outcomes."""
    if version is None:
        return set()
    days = outcomes["event_day"]
    first, last = days.min(), days.max()
    assert isinstance(first, dt.date)
    assert isinstance(last, dt.date)
    usual = Days(first - lookback - _DAY, last + _DAY)
    wanted = outcomes.select("prediction_id").unique()
    found, left = _match(location, use_case, wanted, version, usual)
    # Corrections of old labels and strangers' ids: rare, so the whole use case may be searched for them.
    older, _ = (
        _match(location, use_case, left, version, Days(last=usual.first)) if left.height else (set[Touched](), left)
    )
    return found | older


def _match(
    location: str | Path, use_case: str, wanted: pl.DataFrame, version: int, days: Days
) -> tuple[set[Touched], pl.DataFrame]:
    rows = FeedbackTable(location, "decisions").scan(use_case, days, version).select(*_NAMED_BY, "prediction_id")
    # Piece by piece: a busy day's decisions need not fit into memory.
    found = rows.join(wanted.lazy(), on="prediction_id", how="semi").collect(engine="streaming")
    touched = {Touched(*row) for row in found.select(_NAMED_BY).unique().iter_rows()}
    return touched, wanted.join(found, on="prediction_id", how="anti")
