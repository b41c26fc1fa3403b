"""Finds the bins of many numbers fast and exactly: a grid of equal cells first, edges only where a cell holds some.

The cell of a number never falls when the number rises, whatever rounding does, and edges go through the same
arithmetic: so a number lies on the same side of an edge as its cell, unless both share one. numpy's own binary search
costs many times as much on numbers in no order.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
# So many numbers at once stay in the processor's cache with all that is made of them.
CHUNK = 16_384
_FEW_CELLS, _MOST_CELLS = 1_024, 8_192
_MOST_EDGES_IN_A_CELL = 2


@dataclass(frozen=True)
class Workspace:
    """Room for one chunk, made once: fresh arrays would cost more than the counting. One thread at a time."""

    at: Floats = field(default_factory=lambda: np.empty(CHUNK))
    edge: Floats = field(default_factory=lambda: np.empty(CHUNK))
    short: NDArray[np.int32] = field(default_factory=lambda: np.empty(CHUNK, dtype=np.int32))
    cell: Ints = field(default_factory=lambda: np.empty(CHUNK, dtype=np.int64))
    bin: Ints = field(default_factory=lambda: np.empty(CHUNK, dtype=np.int64))
    passed: NDArray[np.bool_] = field(default_factory=lambda: np.empty(CHUNK, dtype=np.bool_))


@dataclass(frozen=True)
class Grid:
    """Cells of equal width between the second edge and the last but one, and one on either side of them.

    `before` [cells + 2] counts the edges in lower cells; `inside` [edges in a cell, cells + 2] holds the edges of each
    cell, infinity where there are fewer.
    """

    low: float
    per_unit: float
    cells: int
    bins: int
    before: Ints
    inside: Floats

    def count(self, values: Floats, room: Workspace) -> Ints:
        """Return how many finite values[rows] lie below the first edge, between edges [a, b), from the last on."""
        counts = np.zeros(self.bins, dtype=np.int64)
        for start in range(0, len(values), CHUNK):
            part = values[start : start + CHUNK]
            rows = len(part)
            cell, found, edge, passed = room.cell[:rows], room.bin[:rows], room.edge[:rows], room.passed[:rows]
            _cells(part, self.low, self.per_unit, self.cells, room)
            # "clip" only spares a check: every cell is there.
            self.before.take(cell, mode="clip", out=found)
            for edges in self.inside:
                edges.take(cell, mode="clip", out=edge)
                np.greater_equal(part, edge, out=passed)
                np.add(found, passed, out=found)
            counts += np.bincount(found, minlength=self.bins)
        return counts


def make_grid(edges: Sequence[float]) -> Grid | None:
    """Return a grid for rising edges; None where they are too few, or too crowded for cells of equal width."""
    cut = np.asarray(edges, dtype=np.float64)
    if not 4 <= len(cut) <= CHUNK:
        return None
    low, high = float(cut[1]), float(cut[-2])
    cells = _FEW_CELLS
    while cells <= _MOST_CELLS:
        per_unit = cells / (high - low) if 0 < high - low < np.inf else 0.0
        if not 0 < per_unit < np.inf:
            return None
        room = Workspace()
        _cells(cut, low, per_unit, cells, room)
        at = room.cell[: len(cut)]
        crowd = int(np.bincount(at).max())
        if crowd <= _MOST_EDGES_IN_A_CELL:
            # The first edge of a cell stands in row 0, the next in row 1.
            row = np.arange(len(cut)) - np.searchsorted(at, at)
            inside = np.full((crowd, cells + 2), np.inf)
            inside[row, at] = cut
            before = np.searchsorted(at, np.arange(cells + 2)).astype(np.int64)
            return Grid(low, per_unit, cells, len(cut) + 1, before, inside)
        cells *= 2
    return None


def _cells(values: Floats, low: float, per_unit: float, cells: int, room: Workspace) -> None:
    """Put the cell of each finite value, 0 to cells + 1, into room.cell."""
    rows = len(values)
    at, short = room.at[:rows], room.short[:rows]
    # The largest floats overflow to infinity, which lies in the last cell, as they do.
    with np.errstate(over="ignore"):
        np.subtract(values, low, out=at)
        np.multiply(at, per_unit, out=at)
    np.maximum(at, -1.0, out=at)
    np.minimum(at, float(cells), out=at)
    np.add(at, 1.0, out=at)
    # By way of 32 bits, because that way is vectorised.
    np.copyto(short, at, casting="unsafe")
    np.copyto(room.cell[:rows], short)
