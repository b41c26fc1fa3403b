"""PURE: what a column of somebody's table is: a number, a category, a time, or nothing that a model can use."""

import re
import unicodedata
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from math import ceil, floor, log10
from typing import Any, Literal

import pandas as pd

from headrace.times import forms_of

MOST_LEVELS = 30
LONGEST_LEVEL = 256
LONGEST_NAME = 64
ALMOST_ALL = 0.5
TELLS_ALL = 0.999
TELLS_OF_LEVELS = 0.99
FEW_WORDS = 3


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


def text_of(column: "pd.Series[Any]") -> "pd.Series[Any]":
    """The column as text without blanks around it, nothing where nothing stands."""
    cells = column.astype(object).where(column.notna(), None)
    return cells.map(lambda cell: None if cell is None else str(cell).strip() or None)


def look_at(
    column: "pd.Series[Any]", names: Names, outcome: "pd.Series[Any]", as_text: bool = False
) -> Input | LeftOut:
    """Propose a feature, or say why not; `outcome` holds numbers for a regression, else names of classes."""
    name, known = str(column.name), column.dropna()
    try:
        distinct = int(known.nunique())
    except TypeError:
        return LeftOut(name, f"holds {type(known.iloc[0]).__name__}s, not single values")
    if distinct <= 1:
        return LeftOut(name, "has no value" if known.empty else f"is always {str(known.iloc[0])[:40]}")
    numbers = None if as_text else numbers_of(column)
    if numbers is None and forms_of(column):
        return LeftOut(name, "holds times; source.py may make numbers of them, such as an hour or an age in days")
    if _names_the_row(name, known, numbers):
        return LeftOut(name, "is different in every row: it names the case")
    if _tells_all(column if numbers is None else numbers, outcome):
        return LeftOut(name, "tells the outcome by itself: is it known when the decision is asked for?")
    if numbers is not None:
        return Input(names.of(name), name, "number", proposed_range(numbers), distinct=distinct)
    if distinct > MOST_LEVELS and not as_text and (words := _odd_words(known)):
        return LeftOut(name, f"holds numbers, but also {words}: empty those cells to use it")
    levels = sorted(set(text_of(known).dropna()))
    if (
        distinct > ALMOST_ALL * len(known)
        or max(map(len, levels)) > LONGEST_LEVEL
        or any("\0" in one for one in levels)
    ):
        return LeftOut(name, _free_text(known, distinct))
    return Input(names.of(name), name, "category", levels=tuple(levels[: MOST_LEVELS + 1]), distinct=distinct)


def _names_the_row(name: str, known: "pd.Series[Any]", numbers: "pd.Series[float] | None") -> bool:
    unique = known.is_unique and len(known) > MOST_LEVELS
    if numbers is None:
        return unique
    whole = bool((numbers.dropna() % 1 == 0).all())
    counted = bool(numbers.dropna().diff().dropna().eq(1).all())
    called = re.search(r"(?i:(^|[_\s])(id|no|nr|key|uuid|index)$)|[a-z]I[dD]$", name)
    return unique and whole and (counted or called is not None)


def _odd_words(known: "pd.Series[Any]") -> str:
    """The few words that stand among numbers; empty where there are none, or more."""
    words = known[pd.to_numeric(known, errors="coerce").isna()].map(str).unique()
    mostly = pd.to_numeric(known, errors="coerce").notna().mean() > ALMOST_ALL
    return ", ".join(repr(word[:40]) for word in words) if mostly and 0 < len(words) <= FEW_WORDS else ""


def signed_number(known: "pd.Series[Any]") -> str | None:
    """An example of numbers with other signs around or in them, as $1,234.50; None where it is something else."""
    text = known.map(str).str.strip()
    numbers = text.str.fullmatch(r"(\W*|[A-Z]{3} ?)\d[\d,.'\s]*\W*([A-Z]{3})?").all()
    signed = text[text.str.contains(r"[^\d.-]")]
    return str(signed.iloc[0])[:40] if numbers and len(signed) else None


def _free_text(known: "pd.Series[Any]", distinct: int) -> str:
    if example := signed_number(known):
        return f"holds numbers with signs, as {example!r}: write them as 1234.5 to use them"
    return f"is text with {distinct:,} values in {len(known):,} rows: names or free words"


def _tells_all(column: "pd.Series[Any]", outcome: "pd.Series[Any]") -> bool:
    """Whether this column alone says the outcome, almost without a mistake."""
    both = column.notna() & outcome.notna()
    given, truth = column[both], outcome[both]
    if truth.nunique() < 2:
        return False
    number = pd.api.types.is_numeric_dtype(column)
    if pd.api.types.is_numeric_dtype(outcome):
        return number and abs(float(given.rank().corr(truth.rank()))) >= TELLS_ALL
    if number and truth.nunique() == 2:
        return _area(given, truth == truth.iloc[0]) >= TELLS_ALL
    # Of many small levels each would tell its own few cases.
    if given.nunique() > len(given) / 5:
        return False
    counts = pd.crosstab(given.map(str), truth)
    mistakes, without = len(truth) - counts.max(axis=1).sum(), len(truth) - counts.sum().max()
    return bool(mistakes <= (1 - TELLS_OF_LEVELS) * without)


def _area(score: "pd.Series[Any]", truth: "pd.Series[bool]") -> float:
    """Area under the curve, whichever way round."""
    positives = int(truth.sum())
    negatives = len(truth) - positives
    area = (float(score.rank()[truth].sum()) - positives * (positives + 1) / 2) / (positives * negatives)
    return max(area, 1 - area)


def proposed_range(numbers: "pd.Series[float]") -> tuple[float, float]:
    """The data's range and half of it on each side, rounded outward; never below 0 when the data are not.

    >>> proposed_range(pd.Series([3.0, 97.0])), proposed_range(pd.Series([0.2, 0.9]))
    ((0.0, 150.0), (0.0, 1.0))
    """
    finite = numbers[numbers.abs() < float("inf")]
    if finite.empty:
        return 0.0, 1.0
    low, high = float(finite.min()), float(finite.max())
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
