"""PURE: models that are neither trees nor linear, as nodes over the matrix that they are given."""

from collections.abc import Callable
from typing import Any

import numpy as np

from shared.package.compiled.errors import UnfoldableError
from shared.package.compiled.graph import Graph
from shared.package.compiled.kernels import kernel
from shared.package.compiled.nodes import ones_where, product
from shared.package.compiled.probe import Floats

# (graph, model, matrix) -> the decision function, or the prediction of a regression.
Decision = Callable[[Graph, Any, str], str]


def _vectors(graph: Graph, model: Any, value: str) -> str:
    """Support vectors: the kernel with each, weighted."""
    if getattr(model, "classes_", None) is not None and len(model.classes_) != 2:
        raise UnfoldableError(f"{type(model).__name__} of more than two classes")
    found = kernel(
        graph, model.kernel, value, model.support_vectors_, model._gamma, float(model.degree), float(model.coef0)
    )
    weights = model.dual_coef_.toarray() if hasattr(model.dual_coef_, "toarray") else model.dual_coef_
    return product(graph, found, np.asarray(weights, dtype=np.float64).T, np.asarray(model.intercept_))


def _ridge(graph: Graph, model: Any, value: str) -> str:
    gamma = model.gamma if model.gamma is not None else 1.0 / model.n_features_in_
    found = kernel(graph, model.kernel, value, model.X_fit_, float(gamma), float(model.degree), float(model.coef0))
    return product(graph, found, np.asarray(model.dual_coef_, dtype=np.float64).reshape(len(model.X_fit_), -1))


def _gaussian(graph: Graph, model: Any, value: str) -> str:
    """log P(class) - ½ Σ log(2π var) - ½ Σ (x - mean)² / var."""
    parts = []
    for mean, variance in zip(model.theta_, model.var_, strict=True):
        difference = graph.add("Sub", value, graph.constant(mean))
        parts.append(product(graph, graph.add("Mul", difference, difference), (-0.5 / variance)[:, None]))
    constants = np.log(model.class_prior_) - 0.5 * np.log(2.0 * np.pi * model.var_).sum(axis=1)
    return graph.add("Add", graph.add("Concat", *parts, axis=1), graph.constant(constants))


def _multinomial(graph: Graph, model: Any, value: str) -> str:
    return product(graph, value, model.feature_log_prob_.T, model.class_log_prior_)


def _bernoulli(graph: Graph, model: Any, value: str) -> str:
    if model.binarize is not None:
        value = ones_where(graph, "Greater", value, graph.constant([float(model.binarize)]))
    not_there: Floats = np.log(1 - np.exp(model.feature_log_prob_))
    weights = (model.feature_log_prob_ - not_there).T
    return product(graph, value, weights, model.class_log_prior_ + not_there.sum(axis=1))


def _quadratic(graph: Graph, model: Any, value: str) -> str:
    parts, constants = [], []
    for mean, rotation, scaling, prior in zip(
        model.means_, model.rotations_, model.scalings_, model.priors_, strict=True
    ):
        turned = product(graph, graph.add("Sub", value, graph.constant(mean)), rotation * scaling**-0.5)
        parts.append(product(graph, graph.add("Mul", turned, turned), np.full((len(scaling), 1), -0.5)))
        constants.append(np.log(prior) - 0.5 * np.log(scaling).sum())
    return graph.add("Add", graph.add("Concat", *parts, axis=1), graph.constant(constants))


# What `decision_function`, or `predict` of a regression, says: float64[rows, 1].
DECISIONS: dict[str, Decision] = {
    "KernelRidge": _ridge,
    "NuSVR": _vectors,
    "NuSVC": _vectors,
    "SVC": _vectors,
    "SVR": _vectors,
}
# Logarithms of the joint likelihood, a column for each class: their softmax is `predict_proba`.
LIKELIHOODS: dict[str, Decision] = {
    "BernoulliNB": _bernoulli,
    "GaussianNB": _gaussian,
    "MultinomialNB": _multinomial,
    "QuadraticDiscriminantAnalysis": _quadratic,
}
