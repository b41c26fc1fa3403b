"""PURE: kernels between rows and kept rows as nodes, in float64."""

from typing import Any

import numpy as np

from shared.package.compiled.errors import UnfoldableError
from shared.package.compiled.graph import Graph
from shared.package.compiled.probe import Floats

# More columns than these would make a graph of thousands of nodes.
MOST_COLUMNS = 256


def kernel(graph: Graph, name: Any, value: str, kept: Floats, gamma: float, degree: float, plus: float) -> str:
    """K(row, kept row) for each of them, float64[rows, kept rows]; raises UnfoldableError for another kernel."""
    if name == "rbf":
        distance = _squared_distance(graph, value, kept)
        return graph.add("Exp", graph.add("Mul", distance, graph.constant([-float(gamma)])))
    if name not in ("linear", "poly", "polynomial", "sigmoid"):
        raise UnfoldableError(f"the kernel {name!s:.50}")
    inner = graph.add("MatMul", value, graph.constant(np.asarray(kept, dtype=np.float64).T))
    if name == "linear":
        return inner
    inner = graph.add("Mul", inner, graph.constant([float(gamma)]))
    inner = graph.add("Add", inner, graph.constant([float(plus)]))
    if name == "sigmoid":
        return graph.add("Tanh", inner)
    return graph.add("Pow", inner, graph.constant([float(degree)]))


def _squared_distance(graph: Graph, value: str, kept: Floats) -> str:
    """Column by column: the difference of two squares would lose the digits of near rows."""
    columns = np.asarray(kept, dtype=np.float64).T
    if len(columns) > MOST_COLUMNS:
        raise UnfoldableError(f"an rbf kernel over {len(columns)} columns, at most {MOST_COLUMNS}")
    total = None
    for place, column in enumerate(columns):
        one = graph.add("Gather", value, graph.constant([place], np.int64), axis=1)
        difference = graph.add("Sub", one, graph.constant(column[None, :]))
        square = graph.add("Mul", difference, difference)
        total = square if total is None else graph.add("Add", total, square)
    if total is None:
        raise UnfoldableError("a kernel over no column")
    return total
