"""Decisions with the latest outcome known at a time: the one join that everything computed or fitted reads."""

import datetime as dt
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import NamedTuple

import polars as pl
from polars.datatypes import DataType

from shared.feedback.schema import CATEGORY, NUMBER
from shared.feedback.table import Days, FeedbackTable

# A label known longer before its prediction than this belongs to no prediction; it bounds what a read must open.
_EARLY = dt.timedelta(days=1)
_DAY = dt.timedelta(days=1)


class Versions(NamedTuple):
    """A pinned version of both tables; None where a table did not exist yet."""

    decisions: int | None
    outcomes: int | None

    def __str__(self) -> str:
        return f"decisions@{self.decisions}, outcomes@{self.outcomes}"


def table_versions(location: str | Path) -> Versions:
    """The newest versions, to be pinned by whoever reads more than once."""
    return Versions(FeedbackTable(location, "decisions").version(), FeedbackTable(location, "outcomes").version())


def decisions_version(location: str | Path) -> int | None:
    """The newest version of the decisions; None before the first row."""
    return FeedbackTable(location, "decisions").version()


def joined(
    location: str | Path,
    use_case: str,
    as_of: dt.datetime,
    blocks: Collection[str] | None = None,
    version: Versions | None = None,
    columns: Sequence[str] | None = None,
) -> pl.DataFrame:
    """One row per prediction of a use case (and blocks), sorted by (event_time, prediction_id).

    Columns: those of `decisions` (or `columns` of them), then label, value, known_at: the latest outcome with
    known_at <= as_of, null while none is known. A prediction that came twice in a block counts once, by its lowest
    offset. Absent tables give an empty frame with the same columns.
    """
    version = version or table_versions(location)
    decisions = _decisions(location, use_case, blocks, version.decisions, columns)
    days = decisions["event_day"]
    first = None if days.is_empty() else _date(days.min()) - _EARLY
    outcomes = latest_outcomes(location, use_case, as_of, first, version.outcomes)
    frame = decisions.join(outcomes, on="prediction_id", how="left", maintain_order="left")
    too_early = pl.col("known_at").dt.date() < pl.col("event_day") - _EARLY
    frame = frame.with_columns(
        pl.when(too_early).then(None).otherwise(pl.col(name)).alias(name) for name in ("label", "value", "known_at")
    )
    return frame.sort("event_time", "prediction_id")


def latest_outcomes(
    location: str | Path,
    use_case: str,
    as_of: dt.datetime,
    first: dt.date | None = None,
    version: int | None = None,
) -> pl.DataFrame:
    """Per prediction id the outcome with the latest known_at <= as_of (ties: the highest offset), from day `first`."""
    if version is None:
        return _no_outcomes()
    rows = FeedbackTable(location, "outcomes").scan(use_case, Days(first, as_of.astimezone(dt.UTC).date()), version)
    return (
        rows.filter(pl.col("known_at") <= as_of.astimezone(dt.UTC))
        .select("prediction_id", "label", "value", "known_at", "kafka_offset", "kafka_partition")
        .sort("known_at", "kafka_offset", "kafka_partition")
        .unique("prediction_id", keep="last", maintain_order=True)
        .drop("kafka_offset", "kafka_partition")
        .collect()
    )


def training_rows(
    location: str | Path,
    use_case: str,
    as_of: dt.datetime,
    numbers: Sequence[str],
    categories: Sequence[str],
    since: dt.datetime | None = None,
    version: Versions | None = None,
) -> pl.DataFrame:
    """What a fit may see at `as_of`: labelled rows of event time in (since, as_of], sorted by (event_time, id).

    Columns: prediction_id, event_time, block, label, value, known_at, then the features under their own names; a
    feature that the table never carried is null. A row whose outcome became known after `as_of` is not there.
    """
    features: list[tuple[str, str, DataType]] = [(NUMBER + name, name, pl.Float64()) for name in numbers]
    features += [(CATEGORY + name, name, pl.String()) for name in categories]
    frame = joined(location, use_case, as_of, version=version)
    frame = frame.filter(pl.col("known_at").is_not_null(), pl.col("event_time") <= as_of.astimezone(dt.UTC))
    if since is not None:
        frame = frame.filter(pl.col("event_time") > since.astimezone(dt.UTC))
    held = set(frame.columns)
    return frame.select(
        "prediction_id",
        "event_time",
        "block",
        "label",
        "value",
        "known_at",
        *(
            pl.col(column).alias(name) if column in held else pl.lit(None, dtype=kind).alias(name)
            for column, name, kind in features
        ),
    )


def _decisions(
    location: str | Path,
    use_case: str,
    blocks: Collection[str] | None,
    version: int | None,
    columns: Sequence[str] | None,
) -> pl.DataFrame:
    table = FeedbackTable(location, "decisions")
    rows = table.scan(use_case, _days_of(blocks), version) if version is not None else table.empty()
    if blocks is not None:
        rows = rows.filter(pl.col("block").is_in(list(blocks)))
    needed = ["event_day", "prediction_id", "event_time", "block", "kafka_partition", "kafka_offset"]
    if columns is not None:
        rows = rows.select(list(dict.fromkeys([*needed, *columns])))
    # A repeated request gets its first answer back, in the same block: so blocks add up to the table.
    return (
        rows.sort("kafka_offset", "kafka_partition")
        .unique(["block", "prediction_id"], keep="first", maintain_order=True)
        .collect()
    )


def _days_of(blocks: Collection[str] | None) -> Days:
    """The UTC days that may hold rows of these blocks: a local day touches its neighbours."""
    try:
        days = [dt.date.fromisoformat(block) for block in blocks or ()]
    except ValueError:
        return Days()
    return Days(min(days) - _DAY, max(days) + _DAY) if days else Days()


def _no_outcomes() -> pl.DataFrame:
    instant = pl.Datetime("us", "UTC")
    return pl.DataFrame(
        schema={"prediction_id": pl.String(), "label": pl.String(), "value": pl.Float64(), "known_at": instant}
    )


def _date(value: object) -> dt.date:
    assert isinstance(value, dt.date)
    return value
