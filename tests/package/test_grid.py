"""The grid counts what a binary search counts, whatever the edges and the values."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from shared.package.bins import equal_mass_edges
from shared.package.grid import CHUNK, Workspace, make_grid

Floats = NDArray[np.float64]
ROOM = Workspace()
finite = st.floats(allow_nan=False, allow_infinity=False)


def searched(edges: Floats, values: Floats) -> list[int]:
    found: list[int] = np.bincount(np.searchsorted(edges, values, side="right"), minlength=len(edges) + 1).tolist()
    return found


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.one_of(finite, st.integers(-20, 20).map(float)), min_size=4, max_size=70, unique=True),
    st.lists(finite, max_size=50),
)
def test_any_edges_and_any_values_are_counted_as_by_a_binary_search(cuts: list[float], others: list[float]) -> None:
    edges = np.unique(np.array(cuts))
    with np.errstate(over="ignore"):
        near = np.concatenate([edges, np.nextafter(edges, -np.inf), np.nextafter(edges, np.inf), others])
    values = near[np.isfinite(near)]
    if grid := make_grid(edges.tolist()):
        assert grid.count(values, ROOM).tolist() == searched(edges, values)


@pytest.mark.parametrize("name", ["normal", "lognormal", "whole", "mostly zero", "pareto"])
def test_usual_columns_have_a_grid_and_are_counted_exactly(name: str) -> None:
    random = np.random.default_rng(0)
    rows = 3 * CHUNK + 17
    values = {
        "normal": random.normal(size=rows),
        "lognormal": random.lognormal(size=rows),
        "whole": np.rint(random.normal(size=rows) * 10),
        "mostly zero": np.where(random.random(rows) < 0.6, 0.0, random.lognormal(3, 1, size=rows)),
        "pareto": random.pareto(1.0, size=rows),
    }[name]
    edges = np.array(equal_mass_edges(values[:5_000]))
    grid = make_grid(edges.tolist())
    assert grid is not None
    assert grid.count(values, ROOM).tolist() == searched(edges, values)


def test_too_few_or_too_crowded_edges_have_no_grid() -> None:
    assert make_grid([]) is None
    assert make_grid([1.0, 2.0, 3.0]) is None
    assert make_grid(np.cumsum(4.0 ** np.arange(60)).tolist()) is None
    assert make_grid([-1e308, -9e307, 9e307, 1e308]) is None
    assert make_grid([0.0, 5e-324, 1e-323, 1.0]) is None
