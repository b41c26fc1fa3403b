"""The tables as people query them: plain feature names, and one row per prediction with its latest outcome."""

import datetime as dt
from collections.abc import Iterable
from pathlib import Path

import polars as pl

from shared.feedback.joined import Versions, joined
from shared.feedback.schema import CATEGORY, DECISIONS, NUMBER, OUTCOMES
from shared.feedback.table import FeedbackTable

VIEWS = {
    "decisions": "every answered prediction as it was logged; one that was sent twice stands here twice",
    "outcomes": "every outcome as it was told; a correction is another row",
    "joined": "each prediction once, with the latest outcome that was known at a time",
}
_FIXED = {*DECISIONS.names, *OUTCOMES.names}
EVER = dt.datetime(9999, 12, 31, tzinfo=dt.UTC)


def plain_names(columns: Iterable[str]) -> dict[str, str]:
    """Column -> the feature's own name, where it can mean nothing else.

    >>> plain_names(["block", "num_distance", "cat_carrier", "num_block", "num_size", "cat_size"])
    {'num_distance': 'distance', 'cat_carrier': 'carrier'}
    """
    features = {name: name.removeprefix(prefix) for name in columns for prefix in (NUMBER, CATEGORY)
                if name.startswith(prefix)}  # fmt: skip
    plain = list(features.values())
    return {name: said for name, said in features.items() if plain.count(said) == 1 and said not in _FIXED}


def view(location: str | Path, name: str, version: Versions, as_of: dt.datetime = EVER) -> pl.LazyFrame:
    """One of VIEWS at a pinned version; features under their plain names, where these are unambiguous.

    A feature that only one use case has is null in the rows of the others.
    """
    decisions, outcomes = FeedbackTable(location, "decisions"), FeedbackTable(location, "outcomes")
    match name:
        case "outcomes":
            return outcomes.empty() if version.outcomes is None else outcomes.scan(version=version.outcomes)
        case "decisions":
            rows = decisions.empty() if version.decisions is None else decisions.scan(version=version.decisions)
        case "joined":
            rows = _joined(location, version, as_of).lazy()
        case _:
            raise KeyError(name)
    return rows.rename(plain_names(rows.collect_schema().names()))


def use_cases(location: str | Path, version: Versions) -> list[str]:
    """Those that have decisions, by name."""
    if version.decisions is None:
        return []
    return FeedbackTable(location, "decisions").snapshot(version.decisions).use_cases()


def _joined(location: str | Path, version: Versions, as_of: dt.datetime) -> pl.DataFrame:
    """The one join of every use case, one after the other."""
    found = [joined(location, use_case, as_of, version=version) for use_case in use_cases(location, version)]
    return pl.concat(found) if found else joined(location, "", as_of, version=Versions(None, None))
