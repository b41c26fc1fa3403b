"""Fitted calibrators as nodes: from a model's decision to a probability."""

from typing import Any

import numpy as np

from shared.package.compiled.errors import UnfoldableError
from shared.package.compiled.graph import Graph
from shared.package.compiled.probe import Floats
from shared.package.compiled.trees import Tree, attributes_of, tree_node


def sigmoid(calibrator: Any, graph: Graph, decision: str) -> str:
    """Platt: expit(-(a x + b))."""
    scaled = graph.add("Mul", decision, graph.constant([float(calibrator.a_)]))
    shifted = graph.add("Add", scaled, graph.constant([float(calibrator.b_)]))
    return graph.add("Sigmoid", graph.add("Neg", shifted))


def temperature(calibrator: Any, graph: Graph, decision: str, *, binary: bool) -> str:
    """softmax(beta × logits); of two classes the logits are (-x, x)."""
    beta = float(calibrator.beta_)
    factors = graph.constant([[-beta, beta]] if binary else [beta])
    scores = graph.add("Softmax", graph.add("Mul", decision, factors), axis=1)
    return graph.add("Gather", scores, graph.constant([1], np.int64), axis=1) if binary else scores


def isotonic(calibrator: Any, graph: Graph, decision: str) -> str:
    """Linear between thresholds: a tree finds the piece, y = slope (x - x0) + y0."""
    if calibrator.out_of_bounds != "clip" or calibrator.X_thresholds_.dtype != np.float64:
        raise UnfoldableError("isotonic calibration that does not clip float64 decisions")
    xs, ys = (np.asarray(each, dtype=np.float64) for each in (calibrator.X_thresholds_, calibrator.y_thresholds_))
    if len(xs) < 2:
        xs, ys = np.append(xs, xs[-1] + 1.0), np.append(ys, ys[-1])
    slopes = np.diff(ys) / np.diff(xs)
    least, most = graph.constant(float(calibrator.X_min_)), graph.constant(float(calibrator.X_max_))
    inside = graph.add("Clip", decision, least, most)
    start, slope, floor = (_piece(graph, inside, xs, values) for values in (xs[:-1], slopes, ys[:-1]))
    risen = graph.add("Mul", graph.add("Sub", inside, start), slope)
    return graph.add("Add", risen, floor)


def _piece(graph: Graph, inside: str, xs: Floats, values: Floats) -> str:
    """The value of the piece [xs[i], xs[i+1]] that holds the input."""
    tree = _search_tree(xs[1:-1], values)
    inner = np.zeros(len(xs) - 2, dtype=np.int64)
    attributes = attributes_of([tree], inner, tree.split[~tree.leaf], inner.astype(bool))
    return tree_node(graph, inside, 1, attributes)


def _search_tree(splits: Floats, values: Floats) -> Tree:
    """A balanced tree over rising splits, with one leaf more than splits."""
    nodes: list[tuple[bool, int, int, float, float]] = []

    def grow(first: int, last: int) -> int:
        mine = len(nodes)
        nodes.append((True, 0, 0, 0.0, float(values[first])))
        if first < last:
            middle = (first + last) // 2
            left, right = grow(first, middle), grow(middle + 1, last)
            nodes[mine] = (False, left, right, float(splits[middle]), 0.0)
        return mine

    grow(0, len(values) - 1)
    leaf, left, right, split, value = (np.array(column) for column in zip(*nodes, strict=True))
    zeros = np.zeros(len(nodes), dtype=np.int64)
    return Tree(leaf, left, right, zeros, split, zeros.astype(bool), value)
