"""Asks the real fitted transformers what their columns hold: at levels, at null, and where numbers cross a split."""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.package.compiled.errors import UnfoldableError
from shared.package.compiled.walk import Source
from shared.package.manifest import Feature
from shared.package.score import to_frame

Floats = NDArray[np.float64]
Cell = str | float | None
UNKNOWN: Mapping[str, Cell] = {"category": "~no level has this name~", "number": 1.2345678901234567e-7}
LARGEST = float(np.finfo(np.float64).max)
MANY = 1_000
# Some transformers raise on numbers that overflow inside them; what lies beyond is left to the original.
REACHES = (LARGEST, 1e300, 1e150, 1e100, 1e50, 1e30, 1e15, 1e9)


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

    @cached_property
    def reach(self) -> float:
        """How far from zero every number may lie without the transformers raising."""
        numbers = [place for place, one in enumerate(self.features) if one.type == "number"]
        for reach in REACHES:
            if self._takes({place: [-reach, reach] for place in numbers}):
                return reach
        raise UnfoldableError("the steps before the model refuse numbers of everyday size")

    def _takes(self, cells: Mapping[int, Sequence[Cell]]) -> bool:
        try:
            self.transform(cells, 2)
        except Exception:  # transformers raise whatever they like
            return False
        return True

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

        height = int(rows.max(initial=0)) + 1

        def goes_left(values: Floats) -> NDArray[np.bool_]:
            cells = {feature: np.zeros((len(values), height)) for feature in set(features.tolist())}
            for feature, column in cells.items():
                column[:, rows[features == feature]] = values[:, features == feature]
            flat = {feature: column.ravel() for feature, column in cells.items()}
            transformed = self.transform(flat, len(values) * height).reshape(len(values), height, -1)[:, rows, asked]
            left: NDArray[np.bool_] = (to_single(transformed) if single else transformed) <= wanted
            return left

        found[~exact] = largest_where(goes_left, len(asked), self.reach if len(asked) else LARGEST)
        return found


def to_single(values: Floats) -> Floats:
    """As a model sees them that takes float32."""
    with np.errstate(over="ignore"):
        return values.astype(np.float32).astype(np.float64)


def largest_where(goes_left: Callable[[Floats], NDArray[np.bool_]], count: int, reach: float = LARGEST) -> Floats:
    """Search the bit patterns in [-reach, reach]: for each of `count` rising functions the last value that goes left.

    `goes_left` takes and returns arrays of some rows and `count` columns: several guesses in one call.

    >>> largest_where(lambda x: x * 3 <= 1.0, 1)[0] * 3 <= 1.0
    np.True_
    """
    if not count:
        return np.empty(0)
    low, high = np.full(count, _order(-reach)), np.full(count, _order(reach))
    lowest, highest = goes_left(np.stack([_value(low), _value(high)]))
    # A call of the transformers costs the same for few rows and for many, so few questions are asked at once in parts.
    parts = np.uint64(16 if count <= MANY else 4)
    guesses = np.arange(1, parts, dtype=np.uint64)[:, None]
    while np.any((span := high.view(np.uint64) - low.view(np.uint64)) > 1):
        offsets = span // parts * guesses + span % parts * guesses // parts
        places = (low.view(np.uint64) + offsets).view(np.int64)
        lefts = goes_left(_value(places)).sum(axis=0)
        every = np.concatenate([low[None], places, high[None]])
        low, high = every[lefts, np.arange(count)], every[lefts + 1, np.arange(count)]
    return np.where(~lowest, -np.inf, np.where(highest, np.inf, _value(low)))


def _order(value: float) -> np.int64:
    """The place of a float among all floats: neighbours differ by one."""
    bits = np.float64(value).view(np.int64)
    return np.int64(bits if bits >= 0 else np.int64(-(2**63)) - bits)


def _value(order: NDArray[np.int64]) -> Floats:
    return np.where(order >= 0, order, np.int64(-(2**63)) - order).view(np.float64)
