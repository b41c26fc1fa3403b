"""PURE: what a column of somebody's table is: a number, a category, a time, or nothing that a model can use."""

import re
import unicodedata
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from math import ceil, floor, log10
from typing import Any, Literal

import pandas as pd

MOST_LEVELS = 30
LONGEST_LEVEL = 256
LONGEST_NAME = 64
ALMOST_ALL = 0.5
TELLS_ALL = 0.999
FORMAT = "ISO8601"


@dataclass(frozen=True)
class Input:
    """A proposed feature; `levels` is empty where there are too many to list."""

    name: str
    column: str
    type: Literal["number", "category"]
    range: tuple[float, float] = (0.0, 0.0)
    levels: tuple[str, ...] = ()
    distinct: int = 0


@dataclass(frozen=True)
class LeftOut:
    """A column that is not proposed, and why."""

    column: str
    reason: str


@dataclass
class Names:
    """Contract names for foreign ones, each once.

    >>> names = Names()
    >>> names.of("Order Total (€)"), names.of("order total"), names.of("2nd")
    ('order_total', 'order_total_2', 'c_2nd')
    """

    taken: set[str] = field(default_factory=set)

    def of(self, said: str) -> str:
        """The name for `said`: lower-case letters, digits and _."""
        plain = unicodedata.normalize("NFKD", said).encode("ascii", "ignore").decode().lower()
        name = re.sub(r"[^a-z0-9]+", "_", plain).strip("_") or "column"
        name = (name if name[0].isalpha() else f"c_{name}")[: LONGEST_NAME - 4]
        found, number = name, 2
        while found in self.taken:
            found, number = f"{name}_{number}", number + 1
        self.taken.add(found)
        return found


def numbers_of(column: "pd.Series[Any]") -> "pd.Series[float] | None":
    """The column as float64, or None when a value is no number; 007 is a code, not a number."""
    if pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column):
        return column.astype("float64")
    text = column.dropna().astype(str)
    parsed = pd.to_numeric(text, errors="coerce")
    if text.empty or parsed.isna().any() or text.str.match(r"^[+-]?0\d").any():
        return None
    return pd.to_numeric(column, errors="coerce").astype("float64")


def times_of(column: "pd.Series[Any]", timezone: str, form: str = FORMAT) -> "pd.Series[pd.Timestamp] | None":
    """The column as times in UTC, or None when it holds none; times without an offset are those of `timezone`."""
    if pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column) or column.dropna().empty:
        return None
    if form == FORMAT and not _is_iso(column):
        return None
    try:
        if has_offsets(column):
            return pd.to_datetime(column, format=form, utc=True)
        times = pd.to_datetime(column, format=form)
        summer = pd.Series(True, index=column.index).to_numpy()
        return times.dt.tz_localize(timezone, ambiguous=summer, nonexistent="shift_forward").dt.tz_convert("UTC")
    except (ValueError, TypeError, OverflowError, AttributeError):
        return None


def _is_iso(column: "pd.Series[Any]") -> bool:
    """ISO 8601 takes 0415 and 2013 for years, which in a table of cases they seldom are: a date has a hyphen here."""
    dated = pd.api.types.is_datetime64_any_dtype(column)
    return dated or bool(column.dropna().astype(str).str.match(r"\d{4}-\d{2}").all())


def has_offsets(column: "pd.Series[Any]") -> bool:
    """Whether the times say their offset themselves."""
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        return True
    if pd.api.types.is_datetime64_any_dtype(column):
        return False
    return bool(column.dropna().astype(str).str.contains(r"\d(?:Z|[+-]\d\d:?\d\d)$").all())


def text_of(column: "pd.Series[Any]") -> "pd.Series[Any]":
    """The column as text, nothing where nothing stands."""
    return column.astype(object).where(column.notna(), None).map(lambda cell: None if cell is None else str(cell))


def look_at(column: "pd.Series[Any]", names: Names, outcome: "pd.Series[float] | None") -> Input | LeftOut:
    """Propose a feature, or say why not; `outcome` is 0 and 1 for a binary label, else None."""
    name, known = str(column.name), column.dropna()
    distinct = int(known.nunique())
    if distinct <= 1:
        return LeftOut(name, "has no value" if known.empty else f"is always {str(known.iloc[0])[:40]}")
    numbers = numbers_of(column)
    if numbers is None and times_of(column, "UTC") is not None:
        return LeftOut(name, "holds times; source.py may make numbers of them, such as an hour or an age in days")
    if _names_the_row(name, known, numbers):
        return LeftOut(name, "is different in every row: it names the case")
    if _tells_all(column if numbers is None else numbers, outcome):
        return LeftOut(name, "tells the outcome by itself: is it known when the decision is asked for?")
    if numbers is not None:
        return Input(names.of(name), name, "number", proposed_range(numbers), distinct=distinct)
    levels = sorted(set(known.astype(str)))
    if (
        distinct > ALMOST_ALL * len(known)
        or max(map(len, levels)) > LONGEST_LEVEL
        or any("\0" in one for one in levels)
    ):
        return LeftOut(name, f"is text with {distinct:,} values in {len(known):,} rows: names or free words")
    return Input(names.of(name), name, "category", levels=tuple(levels[: MOST_LEVELS + 1]), distinct=distinct)


def _names_the_row(name: str, known: "pd.Series[Any]", numbers: "pd.Series[float] | None") -> bool:
    unique = known.is_unique and len(known) > MOST_LEVELS
    if numbers is None:
        return unique
    whole = bool((numbers.dropna() % 1 == 0).all())
    counted = bool(numbers.dropna().diff().dropna().eq(1).all())
    called = re.search(r"(^|[_\s])(id|no|nr|key|uuid|index)$|[a-z]I[dD]$", name, re.IGNORECASE if "_" in name else 0)
    return unique and whole and (counted or called is not None)


def _tells_all(column: "pd.Series[Any]", outcome: "pd.Series[float] | None") -> bool:
    """Whether this column alone ranks the outcomes almost without a mistake (area under the curve)."""
    by_level = not pd.api.types.is_numeric_dtype(column)
    if outcome is None or (by_level and column.nunique() > len(column) / 5):
        return False
    both = column.notna() & outcome.notna()
    score, truth = column[both], outcome[both]
    if by_level:
        score = truth.groupby(score.astype(str)).transform("mean")
    positives, negatives = int((truth == 1).sum()), int((truth == 0).sum())
    if not positives or not negatives:
        return False
    ranks = float(score.rank()[truth == 1].sum())
    area = (ranks - positives * (positives + 1) / 2) / (positives * negatives)
    return max(area, 1 - area) >= TELLS_ALL


def proposed_range(numbers: "pd.Series[float]") -> tuple[float, float]:
    """The data's range and half of it on each side, rounded outward; never below 0 when the data are not.

    >>> proposed_range(pd.Series([3.0, 97.0])), proposed_range(pd.Series([0.2, 0.9]))
    ((0.0, 150.0), (0.0, 1.0))
    """
    low, high = float(numbers.min()), float(numbers.max())
    if low >= 0 and high <= 1:
        return 0.0, 1.0
    pad = (high - low) / 2
    return max(0.0, _rounded(low - pad, floor)) if low >= 0 else _rounded(low - pad, floor), _rounded(high + pad, ceil)


def _rounded(number: float, way: Any) -> float:
    if number == 0:
        return 0.0
    step = 10.0 ** (floor(log10(abs(number))) - 1)
    return float(f"{way(number / step) * step:.12g}")


def sorted_by_count(counts: Mapping[str, int], positive: str | None, truths: Collection[str]) -> list[str]:
    """Classes in the order of the contract: the positive one last; said, or a word for true, or the rarer one."""
    names = sorted(counts, key=lambda name: (-counts[name], name))
    last = positive if positive is not None else next((n for n in names if n.lower() in truths), names[-1])
    return [name for name in names if name != last] + [last]
