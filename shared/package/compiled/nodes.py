"""PURE: transformers as nodes: from the matrix that a fitted step is given to the matrix that it gives.

`EXACT` steps only move, compare, fill or do one rounding after the other as the original does, so their numbers are the
original's to the last bit; the others may differ in the last digits, which the proof measures.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from shared.package.compiled.errors import UnfoldableError
from shared.package.compiled.graph import Graph
from shared.package.compiled.kernels import kernel
from shared.package.compiled.probe import Floats

Node = Callable[[Graph, Any, str], str]
DOUBLE = 11


def product(graph: Graph, value: str, weights: Floats, plus: Floats | None = None) -> str:
    """value @ weights + plus."""
    found = graph.add("MatMul", value, graph.constant(weights))
    return found if plus is None else graph.add("Add", found, graph.constant(plus))


def picked(graph: Graph, value: str, columns: Any) -> str:
    """These columns."""
    return graph.add("Gather", value, graph.constant(np.asarray(columns), np.int64), axis=1)


def ones_where(graph: Graph, operator: str, *inputs: str) -> str:
    """1.0 where a comparison holds, else 0.0."""
    return graph.add("Cast", graph.add(operator, *inputs), to=DOUBLE)


def _shifted(operators: tuple[tuple[str, str, str], ...]) -> Node:
    """One operator after the other, each with an attribute of the step; a switch that is off leaves it out."""

    def node(graph: Graph, step: Any, value: str) -> str:
        for operator, name, switch in operators:
            if getattr(step, switch, True) and getattr(step, name) is not None:
                value = graph.add(operator, value, graph.constant(getattr(step, name)))
        return value

    return node


_standard = _shifted((("Sub", "mean_", "with_mean"), ("Div", "scale_", "with_std")))
_robust = _shifted((("Sub", "center_", "with_centering"), ("Div", "scale_", "with_scaling")))
_max_abs = _shifted((("Div", "scale_", ""),))
_scaled = _shifted((("Mul", "scale_", ""), ("Add", "min_", "")))


def _min_max(graph: Graph, step: Any, value: str) -> str:
    value = _scaled(graph, step, value)
    return graph.add("Clip", value, *map(graph.constant, map(float, step.feature_range))) if step.clip else value


def _imputer(graph: Graph, step: Any, value: str) -> str:
    if step.missing_values == step.missing_values:
        raise UnfoldableError(f"SimpleImputer takes {step.missing_values!r} for missing, not NaN")
    statistics = np.asarray(step.statistics_, dtype=np.float64)
    empty = np.isnan(statistics)
    filled = value
    if empty.any() and not step.keep_empty_features:
        filled, statistics = picked(graph, value, np.flatnonzero(~empty)), statistics[~empty]
    filled = graph.add("Where", graph.add("IsNaN", filled), graph.constant(statistics), filled)
    return (
        graph.add("Concat", filled, _indicator(graph, step.indicator_, value), axis=1) if step.add_indicator else filled
    )


def _indicator(graph: Graph, step: Any, value: str) -> str:
    return ones_where(graph, "IsNaN", picked(graph, value, step.features_))


def _binarizer(graph: Graph, step: Any, value: str) -> str:
    return ones_where(graph, "Greater", value, graph.constant([float(step.threshold)]))


def _bins(graph: Graph, step: Any, value: str) -> str:
    """The number of inner edges that a value has reached; or a column for each bin: reached, and the next one not."""
    parts = []
    for column, edges in enumerate(step.bin_edges_):
        inner = np.asarray(edges[1:-1], dtype=np.float64)
        reached = ones_where(graph, "GreaterOrEqual", picked(graph, value, [column]), graph.constant(inner[None, :]))
        if step.encode == "ordinal":
            parts.append(product(graph, reached, np.ones((len(inner), 1))))
            continue
        bins = len(inner) + 1
        parts.append(product(graph, reached, np.eye(bins)[1:] - np.eye(bins)[:-1], np.eye(bins)[0]))
    return graph.add("Concat", *parts, axis=1) if len(parts) > 1 else parts[0]


def _polynomial(graph: Graph, step: Any, value: str) -> str:
    """Each product is one column times a product of one degree less, last columns first, as scikit-learn builds it."""
    powers = np.asarray(step.powers_)
    factors = [np.repeat(np.arange(powers.shape[1]), row)[::-1] for row in powers]
    ones = ones_where(graph, "Equal", picked(graph, value, [0]), picked(graph, value, [0]))
    wide = graph.add("Concat", value, ones, axis=1)
    found = None
    for degree in range(int(powers.sum(axis=1).max())):
        # Where a product has no factor left, it is multiplied by one.
        part = picked(graph, wide, [row[degree] if degree < len(row) else powers.shape[1] for row in factors])
        found = part if found is None else graph.add("Mul", found, part)
    return found or picked(graph, wide, [powers.shape[1]] * len(powers))


def _pca(graph: Graph, step: Any, value: str) -> str:
    value = graph.add("Sub", value, graph.constant(step.mean_))
    value = product(graph, value, step.components_.T)
    return graph.add("Div", value, graph.constant(np.sqrt(step.explained_variance_))) if step.whiten else value


def _svd(graph: Graph, step: Any, value: str) -> str:
    return product(graph, value, step.components_.T)


def _discriminant(graph: Graph, step: Any, value: str) -> str:
    value = graph.add("Sub", value, graph.constant(step.xbar_)) if step.solver == "svd" else value
    return product(graph, value, step.scalings_[:, : step._max_components])


def _power(graph: Graph, step: Any, value: str) -> str:
    """Yeo-Johnson: a power of 1 + x above zero, one of 1 - x below it; Box-Cox: a power of x."""
    lambdas = np.asarray(step.lambdas_, dtype=np.float64)
    if step.method == "box-cox":
        found = _powered(graph, value, lambdas)
    else:
        zero, one = graph.constant([0.0]), graph.constant([1.0])
        above = graph.add("Add", graph.add("Max", value, zero), one)
        below = graph.add("Add", graph.add("Max", graph.add("Neg", value), zero), one)
        found = graph.add("Sub", _powered(graph, above, lambdas), _powered(graph, below, 2.0 - lambdas))
    return _standard(graph, step._scaler, found) if step.standardize else found


def _powered(graph: Graph, value: str, lambdas: Floats) -> str:
    """(x^λ - 1) / λ; the logarithm where λ is 0."""
    logarithm = np.abs(lambdas) < np.spacing(1.0)
    divisor = np.where(logarithm, 1.0, lambdas)
    power = graph.add("Sub", graph.add("Pow", value, graph.constant(lambdas)), graph.constant([1.0]))
    power = graph.add("Div", power, graph.constant(divisor))
    if not logarithm.any():
        return power
    return graph.add("Where", graph.constant(logarithm, np.bool_), graph.add("Log", value), power)


def _nystroem(graph: Graph, step: Any, value: str) -> str:
    gamma = step.gamma if step.gamma is not None else 1.0 / step.n_features_in_
    options = (gamma, step.degree if step.degree is not None else 3, step.coef0 if step.coef0 is not None else 1.0)
    return product(graph, kernel(graph, step.kernel, value, step.components_, *options), step.normalization_.T)


def _fourier(graph: Graph, step: Any, value: str) -> str:
    angles = product(graph, value, step.random_weights_, step.random_offset_)
    scale = np.sqrt(2.0 / step.n_components)
    return graph.add("Mul", graph.add("Cos", angles), graph.constant([scale]))


_FUNCTIONS: dict[str, Callable[[Graph, str], str]] = {
    "absolute": lambda graph, value: graph.add("Abs", value),
    "exp": lambda graph, value: graph.add("Exp", value),
    "expm1": lambda graph, value: graph.add("Sub", graph.add("Exp", value), graph.constant([1.0])),
    "log": lambda graph, value: graph.add("Log", value),
    "log1p": lambda graph, value: graph.add("Log", graph.add("Add", value, graph.constant([1.0]))),
    "negative": lambda graph, value: graph.add("Neg", value),
    "sqrt": lambda graph, value: graph.add("Sqrt", value),
    "square": lambda graph, value: graph.add("Mul", value, value),
}


def function(graph: Graph, func: Any, value: str) -> str:
    """One of numpy's own functions; raises UnfoldableError for any other."""
    if not isinstance(func, np.ufunc) or func.__name__ not in _FUNCTIONS:
        raise UnfoldableError(f"the function {getattr(func, '__name__', func)!s:.50} cannot be looked into")
    return _FUNCTIONS[func.__name__](graph, value)


def _function(graph: Graph, step: Any, value: str) -> str:
    if step.kw_args:
        raise UnfoldableError("FunctionTransformer with arguments")
    return function(graph, step.func, value)


NODES: dict[str, Node] = {
    "Binarizer": _binarizer,
    "FunctionTransformer": _function,
    "IncrementalPCA": _pca,
    "KBinsDiscretizer": _bins,
    "LinearDiscriminantAnalysis": _discriminant,
    "MaxAbsScaler": _max_abs,
    "MinMaxScaler": _min_max,
    "MissingIndicator": _indicator,
    "Nystroem": _nystroem,
    "PCA": _pca,
    "PolynomialFeatures": _polynomial,
    "PowerTransformer": _power,
    "RBFSampler": _fourier,
    "RobustScaler": _robust,
    "SimpleImputer": _imputer,
    "StandardScaler": _standard,
    "TruncatedSVD": _svd,
}
EXACT = {
    *("Binarizer", "KBinsDiscretizer", "MaxAbsScaler", "MinMaxScaler", "MissingIndicator", "PolynomialFeatures"),
    *("RobustScaler", "SimpleImputer", "StandardScaler"),
}
# IEEE 754 rounds these in one way only.
EXACT_FUNCTIONS = {"absolute", "negative", "sqrt", "square"}
