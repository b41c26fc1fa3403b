"""Which features moved most against a package's profile: it explains an alarm and never causes one. Pure."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.package.bins import CategoryLevels, NumberBins
from shared.package.profile import Profile

MOST = 5


def moved_features(profile: Profile, columns: Mapping[str, Sequence[Any]], most: int = MOST) -> list[tuple[str, float]]:
    """Return (name, distance in 0…1) of the features that moved most, the farthest first.

    The distance is the largest change in the share of an interval's lower side (numbers), of any set of levels
    (categories), or of nulls. A missing column is all null; text where a number belongs is null; strangers are ignored.
    """
    rows = max((len(cells) for cells in columns.values()), default=0)
    if not rows:
        return []
    missing = [None] * rows
    found = [(name, _number_distance(bins, columns.get(name, missing))) for name, bins in profile.numbers.items()]
    found += [
        (name, _level_distance(levels, columns.get(name, missing))) for name, levels in profile.categories.items()
    ]
    ranked = sorted((round(-distance, 6), name) for name, distance in found if distance > 0)
    return [(name, -distance) for distance, name in ranked[:most]]


def _number_distance(bins: NumberBins, cells: Sequence[Any]) -> float:
    now = bins.count(_as_numbers(cells))
    earlier, later = (_shares([*one.counts, one.other, one.nulls]) for one in (bins, now))
    change = np.cumsum(later - earlier)
    return float(max(np.abs(change).max(), abs(later[-1] - earlier[-1])))


def _level_distance(levels: CategoryLevels, cells: Sequence[Any]) -> float:
    now = levels.count(None if cell is None else str(cell) for cell in cells)
    earlier, later = (_shares([*one.counts, one.other, one.nulls]) for one in (levels, now))
    return float(np.abs(later - earlier).sum() / 2)


def _as_numbers(cells: Iterable[Any]) -> NDArray[np.float64]:
    return np.array([_number(cell) for cell in cells], dtype=np.float64)


def _number(cell: Any) -> float:
    try:
        return float(cell) if isinstance(cell, int | float) else math.nan
    except OverflowError:
        return math.inf


def _shares(counts: Sequence[int]) -> NDArray[np.float64]:
    found = np.array(counts, dtype=np.float64)
    return np.asarray(found / max(found.sum(), 1.0))
