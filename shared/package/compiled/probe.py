"""Asks the real fitted transformers what their columns hold: at levels, at null, and where numbers cross a split."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.package.compiled.walk import Source
from shared.package.manifest import Feature
from shared.package.score import to_frame

Floats = NDArray[np.float64]
Cell = str | float | None
UNKNOWN: Mapping[str, Cell] = {"category": "~no level has this name~", "number": 1.2345678901234567e-7}
LARGEST = float(np.finfo(np.float64).max)


class Probe:
    """The transformers in front of one model, asked about one feature at a time; the other features stay usual."""

    def __init__(self, features: Sequence[Feature], steps: Sequence[Any], usual: Mapping[str, Cell]) -> None:
        self.features, self.steps, self.usual = features, steps, usual

    def transform(self, cells: Mapping[int, Sequence[Cell] | Floats], rows: int) -> Floats:
        """Return float64[rows, columns] for rows that differ in the given features only."""
        columns: dict[str, Any] = {name: [value] * rows for name, value in self.usual.items()}
        columns |= {self.features[feature].name: values for feature, values in cells.items()}
        found: Any = to_frame(self.features, columns)
        with np.errstate(all="ignore"):
            for step in self.steps:
                found = found if isinstance(step, str) or step is None else step.transform(found)
        if hasattr(found, "toarray"):
            found = found.toarray()
        return np.asarray(found, dtype=np.float64)

    def transform_or_nan(self, feature: int, values: Sequence[Cell], width: int) -> Floats:
        """The same for one feature; NaN where the transformers raise: such a value is outside the domain anyway."""
        try:
            return self.transform({feature: values}, len(values))
        except Exception:  # transformers raise whatever they like
            if len(values) == 1:
                return np.full((1, width), np.nan)
            return np.concatenate([self.transform_or_nan(feature, [value], width) for value in values])

    def unknown(self, feature: int) -> Cell:
        """A value that is no level of a feature."""
        return UNKNOWN[self.features[feature].type]

    def cross(self, sources: Sequence[Source], columns: NDArray[np.intp], splits: Floats, single: bool) -> Floats:
        """Return for each (column, split) the largest number whose transformed value is still <= the split.

        -inf when there is none, +inf when there is no larger one. `single`: the model compares float32 values.
        """
        found = splits.copy()
        exact = np.array([sources[column].exact for column in columns], dtype=bool)
        if single:
            found[exact] = largest_where(lambda x: to_single(x) <= splits[exact], int(exact.sum()))
        asked, wanted = columns[~exact], splits[~exact]
        features = np.array([sources[column].feature for column in asked], dtype=np.intp)
        # One row asks one question about each feature, so that a bisection takes one call of the transformers a step.
        rows = np.zeros(len(asked), dtype=np.intp)
        for feature in set(features.tolist()):
            rows[features == feature] = np.arange(np.count_nonzero(features == feature))

        def goes_left(values: Floats) -> NDArray[np.bool_]:
            cells = {feature: np.zeros(int(rows.max()) + 1) for feature in set(features.tolist())}
            for feature, column in cells.items():
                column[rows[features == feature]] = values[features == feature]
            transformed = self.transform(cells, int(rows.max()) + 1)[rows, asked]
            left: NDArray[np.bool_] = (to_single(transformed) if single else transformed) <= wanted
            return left

        found[~exact] = largest_where(goes_left, len(asked))
        return found


def to_single(values: Floats) -> Floats:
    """As a model sees them that takes float32."""
    with np.errstate(over="ignore"):
        return values.astype(np.float32).astype(np.float64)


def largest_where(goes_left: Callable[[Floats], NDArray[np.bool_]], count: int) -> Floats:
    """Bisect over the bit patterns of float64: for each of `count` rising functions the last value that goes left.

    >>> largest_where(lambda x: x * 3 <= 1.0, 1)[0] * 3 <= 1.0
    np.True_
    """
    if not count:
        return np.empty(0)
    low, high = np.full(count, _order(-LARGEST)), np.full(count, _order(LARGEST))
    never, always = ~goes_left(_value(low)), goes_left(_value(high))
    for _ in range(64):
        # Half of the sum of two int64, without overflow.
        middle = (low & high) + ((low ^ high) >> 1)
        left = goes_left(_value(middle))
        low, high = np.where(left, middle, low), np.where(left, high, middle)
    return np.where(never, -np.inf, np.where(always, np.inf, _value(low)))


def _order(value: float) -> np.int64:
    """The place of a float among all floats: neighbours differ by one."""
    bits = np.float64(value).view(np.int64)
    return np.int64(bits if bits >= 0 else np.int64(-(2**63)) - bits)


def _value(order: NDArray[np.int64]) -> Floats:
    return np.where(order >= 0, order, np.int64(-(2**63)) - order).view(np.float64)
