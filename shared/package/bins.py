"""Fixed bins for one column: counting and merging are additions of integers, hence exact under any split."""

from collections import Counter
from collections.abc import Iterable
from typing import Annotated, Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, FiniteFloat, model_validator

from shared.package.manifest import Strict

Count = Annotated[int, Field(ge=0)]
NUMBER_BINS = 64
TOP_LEVELS = 64
MAX_LEVEL_LENGTH = 200


class NumberBins(Strict):
    """Counts of one numeric column: below the first edge, between edges [a, b), from the last edge on."""

    edges: tuple[FiniteFloat, ...] = Field(max_length=1000)
    counts: tuple[Count, ...]
    other: Count = 0
    nulls: Count = 0

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if len(self.counts) != len(self.edges) + 1:
            raise ValueError(f"{len(self.edges)} edges need {len(self.edges) + 1} counts, not {len(self.counts)}")
        if any(left >= right for left, right in zip(self.edges, self.edges[1:], strict=False)):
            raise ValueError("edges must rise")
        return self

    def count(self, values: NDArray[np.float64]) -> "NumberBins":
        """Count other values in the same bins; NaN is null, infinity is `other`."""
        finite = values[np.isfinite(values)]
        slots = np.searchsorted(np.asarray(self.edges, dtype=np.float64), finite, side="right")
        counts = np.bincount(slots, minlength=len(self.edges) + 1)
        nulls = int(np.isnan(values).sum())
        other = len(values) - len(finite) - nulls
        return NumberBins(edges=self.edges, counts=tuple(counts.tolist()), other=other, nulls=nulls)

    def __add__(self, more: "NumberBins") -> "NumberBins":
        if self.edges != more.edges:
            raise ValueError("bins with other edges cannot be added")
        counts = tuple(a + b for a, b in zip(self.counts, more.counts, strict=True))
        return NumberBins(edges=self.edges, counts=counts, other=self.other + more.other, nulls=self.nulls + more.nulls)


class CategoryLevels(Strict):
    """Counts of one text column: its most frequent levels, everything else, null."""

    levels: tuple[Annotated[str, Field(max_length=MAX_LEVEL_LENGTH)], ...] = Field(max_length=TOP_LEVELS)
    counts: tuple[Count, ...]
    other: Count = 0
    nulls: Count = 0

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if len(self.counts) != len(self.levels) or len(set(self.levels)) != len(self.levels):
            raise ValueError("each level needs one count and stands once")
        return self

    def count(self, values: Iterable[Any]) -> "CategoryLevels":
        """Count other values against the same levels."""
        seen = Counter(values)
        nulls = seen.pop(None, 0)
        counts = tuple(seen.get(level, 0) for level in self.levels)
        return CategoryLevels(levels=self.levels, counts=counts, other=seen.total() - sum(counts), nulls=nulls)

    def __add__(self, more: "CategoryLevels") -> "CategoryLevels":
        if self.levels != more.levels:
            raise ValueError("other levels cannot be added")
        counts = tuple(a + b for a, b in zip(self.counts, more.counts, strict=True))
        return CategoryLevels(
            levels=self.levels, counts=counts, other=self.other + more.other, nulls=self.nulls + more.nulls
        )


def equal_mass_edges(values: NDArray[np.float64], bins: int = NUMBER_BINS) -> tuple[float, ...]:
    """Return rising edges with about equal mass between them.

    A value that fills whole bins gets one of its own, [v, next float), so a constant column keeps three bins:
    below, equal, above.

    >>> equal_mass_edges(np.array([1.0, 2.0, 3.0, 4.0]), bins=2)
    (1.0, 2.0, 4.000000000000001)
    """
    finite = np.sort(values[np.isfinite(values)])
    if not len(finite):
        return ()
    quantiles = np.quantile(finite, np.linspace(0, 1, bins + 1), method="inverted_cdf")
    atoms = np.unique(quantiles[1:][quantiles[1:] == quantiles[:-1]])
    # After the largest float comes infinity, which is no edge and is left out below.
    with np.errstate(over="ignore"):
        after = np.nextafter(np.append(atoms, finite[-1]), np.inf)
    edges = np.unique(np.concatenate([quantiles[:-1], after]))
    return tuple(edges[np.isfinite(edges)].tolist())


def fit_number_bins(values: NDArray[np.float64]) -> NumberBins:
    """Choose the bins for a column and count it in them."""
    edges = equal_mass_edges(values)
    return NumberBins(edges=edges, counts=(0,) * (len(edges) + 1)).count(values)


def fit_category_levels(values: Iterable[Any]) -> CategoryLevels:
    """Choose the most frequent levels, ties by name, and count the column against them."""
    cells = list(values)
    seen = Counter(cell for cell in cells if cell is not None and len(cell) <= MAX_LEVEL_LENGTH)
    top = sorted(seen, key=lambda level: (-seen[level], level))[:TOP_LEVELS]
    return CategoryLevels(levels=tuple(top), counts=(0,) * len(top)).count(cells)


def even_bins(low: float, high: float, bins: int) -> NumberBins:
    """Return empty bins of equal width on [low, high]."""
    edges = np.linspace(low, high, bins + 1)
    edges[-1] = np.nextafter(edges[-1], np.inf)
    return NumberBins(edges=tuple(edges.tolist()), counts=(0,) * (bins + 2))
