"""Looks up what a feature with levels becomes in the graph's input: one cell, or a whole column at once."""

import math
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.package.compiled.plan import Table


class OutsideError(ValueError):
    """A row that the compiled form does not speak for: the original model answers, or says what is wrong."""


class _Or(dict[Any, Any]):
    """A dict that has `other` for every key that it does not know."""

    other: Any = None

    def __missing__(self, key: Any) -> Any:
        return self.other


class Levels:
    """One table of the plan; `cells` gives the bytes of a level's columns, None where it is outside the domain."""

    def __init__(self, table: Table) -> None:
        rows = [*table.rows, table.null, table.other]
        self.width = width = table.width
        packed = [None if row is None else struct.pack(f"={width}d", *row) for row in rows]
        keys = [*table.levels, None]
        self.cells = _Or(zip(keys, packed[:-1], strict=True))
        self.cells.other = packed[-1]
        self._places = _Or(zip(keys, range(len(keys)), strict=True))
        self._places.other = len(keys)
        self._values = np.array([row if row is not None else (math.nan,) * width for row in rows], dtype=np.float64)
        self._values = self._values.reshape(len(rows), width)
        self._outside = np.array([row is None for row in rows])
        self._numbers = any(type(level) is float for level in table.levels)

    def look_up(self, cells: Sequence[Any] | NDArray[Any], inside: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Return float64[rows, width] of these cells; marks in `inside` those that have none."""
        if self._numbers:
            cells = [None if cell != cell else cell for cell in cells]
        try:
            return np.frombuffer(b"".join(map(self.cells.__getitem__, cells))).reshape(len(cells), self.width)
        except (TypeError, ValueError):
            # A cell has no bytes, or none of them has any.
            found = np.fromiter(map(self._places.__getitem__, cells), np.intp, len(cells))
            inside &= ~self._outside[found]
            return self._values[found]
