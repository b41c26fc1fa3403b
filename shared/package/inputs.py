"""What the inputs of many rows looked like, in the bins of a package: counts that are added, rows are never kept.

profile(A) + profile(B) = profile(A and B), bit for bit, however rows are split and in whatever order parts are added.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from shared.package.bins import CategoryLevels, Count, NumberBins
from shared.package.coarse import coarse
from shared.package.columns import Batch, Column, columns_of, levels_of, numbers_of, rows_of
from shared.package.grid import Grid, Workspace, make_grid
from shared.package.manifest import Strict

Ints = NDArray[np.int64]
# Of so many blocks a package keeps the columns' counts: enough to rank a new one among.
MOST_BLOCKS = 60


class InputProfile(Strict):
    """Counts of a number of rows, column by column.

    `missing` says for how many rows a column was not sent at all (they count as null), `new` for how many one was that
    the package does not know, `odd` how many cells were of another type: no number (counted under `other`), or no text.
    """

    rows: Count = 0
    numbers: dict[str, NumberBins] = {}
    categories: dict[str, CategoryLevels] = {}
    missing: dict[str, Count] = {}
    new: dict[str, Count] = {}
    odd: dict[str, Count] = {}

    def __add__(self, more: "InputProfile") -> "InputProfile":
        """Add two profiles in the same bins; raises ValueError where bins or columns differ."""
        if self.numbers.keys() != more.numbers.keys() or self.categories.keys() != more.categories.keys():
            raise ValueError("profiles of other columns cannot be added")
        return InputProfile(
            rows=self.rows + more.rows,
            numbers={name: bins + more.numbers[name] for name, bins in self.numbers.items()},
            categories={name: levels + more.categories[name] for name, levels in self.categories.items()},
            missing=_sum(self.missing, more.missing),
            new=_sum(self.new, more.new),
            odd=_sum(self.odd, more.odd),
        )


class RunningProfile:
    """An input profile that grows batch by batch; its memory does not. One thread at a time."""

    def __init__(self, numbers: Mapping[str, NumberBins], categories: Mapping[str, CategoryLevels]) -> None:
        self._room = Workspace()
        self._numbers = {name: _NumberCounts(bins) for name, bins in numbers.items()}
        self._categories = {name: _LevelCounts(levels) for name, levels in categories.items()}
        self._known = self._numbers.keys() | self._categories.keys()
        self._rows = 0
        self._missing: Counter[str] = Counter()
        self._new: Counter[str] = Counter()
        self._odd: Counter[str] = Counter()

    def add(self, batch: Batch, rows: int | None = None) -> None:
        """Count a batch: an Arrow table, a pandas or polars frame, or a mapping of names to arrays or lists.

        Nothing in it raises but columns of different length (ValueError). `rows` is needed where it may have no column.
        """
        columns = columns_of(batch)
        rows = rows_of(columns) if columns or rows is None else rows
        if not rows:
            return
        self._rows += rows
        for name, column in columns.items():
            if number := self._numbers.get(name):
                self._odd[name] += number.add(column, self._room)
            elif category := self._categories.get(name):
                self._odd[name] += category.add(column)
            else:
                self._new[name] += rows
        for name in self._known - columns.keys():
            self._missing[name] += rows
            found = self._numbers.get(name) or self._categories[name]
            found.nulls += rows

    def profile(self) -> InputProfile:
        """Return what was counted so far."""
        return InputProfile(
            rows=self._rows,
            numbers={name: counts.bins() for name, counts in self._numbers.items()},
            categories={name: counts.bins() for name, counts in self._categories.items()},
            missing=dict(sorted(self._missing.items())),
            new=dict(sorted(self._new.items())),
            odd=dict(sorted((+self._odd).items())),
        )


def coarse_inputs(profile: InputProfile) -> dict[str, tuple[int, ...]]:
    """Return the coarse counts of every column."""
    found = {name: coarse(bins) for name, bins in profile.numbers.items()}
    return found | {name: coarse(levels) for name, levels in profile.categories.items()}


def inputs_of_blocks(
    frame: pd.DataFrame,
    blocks: Sequence[str],
    numbers: Mapping[str, NumberBins],
    categories: Mapping[str, CategoryLevels],
) -> dict[str, dict[str, tuple[int, ...]]]:
    """Return the coarse counts of the last MOST_BLOCKS blocks: what a block looks like while nothing drifts."""
    places: dict[str, list[int]] = {}
    for place, block in enumerate(blocks):
        places.setdefault(block, []).append(place)
    found = {}
    for block in sorted(places)[-MOST_BLOCKS:]:
        running = RunningProfile(numbers, categories)
        running.add(frame.iloc[places[block]])
        found[block] = coarse_inputs(running.profile())
    return found


class _NumberCounts:
    def __init__(self, bins: NumberBins) -> None:
        self._edges = bins.edges
        self._grid: Grid | None = make_grid(bins.edges)
        self._cut = np.asarray(bins.edges, dtype=np.float64)
        self._counts: Ints = np.zeros(len(bins.counts), dtype=np.int64)
        self.nulls = self._other = 0

    def add(self, column: Column, room: Workspace) -> int:
        odd = 0
        for part, strangers in numbers_of(column):
            odd += strangers
            finite = np.isfinite(part)
            if not finite.all():
                nulls = int(np.isnan(part).sum())
                self.nulls += nulls
                self._other += len(part) - nulls - int(finite.sum())
                part = part[finite]
            if self._grid:
                self._counts += self._grid.count(part, room)
            else:
                slots = np.searchsorted(self._cut, part, side="right")
                self._counts += np.bincount(slots, minlength=len(self._counts))
        self._other += odd
        return odd

    def bins(self) -> NumberBins:
        counts = tuple(self._counts.tolist())
        return NumberBins(edges=self._edges, counts=counts, other=self._other, nulls=self.nulls)


class _LevelCounts:
    def __init__(self, levels: CategoryLevels) -> None:
        self._counts = dict.fromkeys(levels.levels, 0)
        self.nulls = self._other = 0

    def add(self, column: Column) -> int:
        found, nulls, odd = levels_of(column)
        self.nulls += nulls
        for level, count in found.items():
            if level in self._counts:
                self._counts[level] += count
            else:
                self._other += count
        return odd

    def bins(self) -> CategoryLevels:
        counts = tuple(self._counts.values())
        return CategoryLevels(levels=tuple(self._counts), counts=counts, other=self._other, nulls=self.nulls)


def _sum(first: Mapping[str, int], second: Mapping[str, int]) -> dict[str, int]:
    return {name: first.get(name, 0) + second.get(name, 0) for name in sorted({**first, **second})}
