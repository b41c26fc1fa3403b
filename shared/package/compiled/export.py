"""Exports what does not fold as a whole: parts that fold are folded, the others become float64 nodes of their own."""

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from typing import Any

import numpy as np

from shared.package.compiled import calibrate
from shared.package.compiled.errors import UnfoldableError
from shared.package.compiled.estimators import DECISIONS, LIKELIHOODS
from shared.package.compiled.graph import Graph
from shared.package.compiled.matrix import Emit, Given, Made, Matrix, Place, once
from shared.package.compiled.models import Folder, kind_of
from shared.package.compiled.nodes import DOUBLE, function, picked, product
from shared.package.compiled.probe import Cell, Floats
from shared.package.compiled.trees import Tree, attributes_of, tree_node, whole
from shared.package.manifest import Feature

FLOAT = 1


class Exporter(Folder):
    """A Folder that goes on where folding ends; `sample` are columns of real records."""

    def __init__(
        self, features: Sequence[Feature], usual: Mapping[str, Cell], sample: Mapping[str, Sequence[Any]]
    ) -> None:
        super().__init__(features, usual)
        self._sample = sample

    def predictions(self, model: Any, steps: tuple[Any, ...] = ()) -> Emit:
        """Return what `predict` of a regression says, float64[rows, 1]."""
        match kind_of(model):
            case "StackingRegressor":
                return self.predictions(model.final_estimator_, (self._stacked(model, steps),))
            case "TransformedTargetRegressor":
                inner = self.predictions(model.regressor_, steps)
                if type(model.transformer_).__name__ != "FunctionTransformer":
                    raise UnfoldableError("TransformedTargetRegressor with a transformer")
                return lambda graph, place: function(graph, model.transformer_.inverse_func, inner(graph, place))
            case _:
                return super().predictions(model, steps)

    def chances(self, model: Any, steps: tuple[Any, ...] = ()) -> Emit:
        """Return P(second class) as float64[rows, 1] of two classes, else one column per class."""
        name = kind_of(model)
        if name == "StackingClassifier":
            return self.chances(model.final_estimator_, (self._stacked(model, steps),))
        if name == "OneVsRestClassifier":
            return self._one_vs_rest(model, steps)
        if name in LIKELIHOODS:
            return self._likely(LIKELIHOODS[name], model, steps)
        return super().chances(model, steps)

    def _raw(self, model: Any, steps: tuple[Any, ...]) -> Emit | None:
        name = kind_of(model)
        if name in DECISIONS:
            matrix, _, _ = self._matrix(steps)
            DECISIONS[name](Graph(), model, "any")
            return lambda graph, place: DECISIONS[name](graph, model, matrix(graph, place))
        return super()._raw(model, steps)

    def _linear(self, model: Any, coefficients: Floats, intercepts: Floats, steps: tuple[Any, ...]) -> Emit:
        def mixed() -> Emit:
            matrix, _, _ = self._matrix(steps)
            return lambda graph, place: product(graph, matrix(graph, place), coefficients.T, intercepts)

        return self._folded_or(lambda: super(Exporter, self)._linear(model, coefficients, intercepts, steps), mixed)

    def _ensemble(self, model: Any, trees: list[Tree], steps: tuple[Any, ...], *, single: bool) -> Emit:
        def mixed() -> Emit:
            matrix, _, exact = self._matrix(steps)
            if not exact:
                name = kind_of(model)
                raise UnfoldableError(f"{name} behind a step whose last digits may differ: a split could turn")
            attributes, targets = attributes_of(trees, *whole(trees)), max(tree.target for tree in trees) + 1

            def emit(graph: Graph, place: Place) -> str:
                return tree_node(graph, _seen(graph, matrix(graph, place), single), targets, attributes)

            return emit

        return self._folded_or(lambda: super(Exporter, self)._ensemble(model, trees, steps, single=single), mixed)

    def _folded_or(self, fold: Callable[[], Emit], otherwise: Callable[[], Emit]) -> Emit:
        before = deepcopy(self.inputs)
        try:
            return fold()
        except UnfoldableError:
            self.inputs = before
            return otherwise()

    def _matrix(self, steps: tuple[Any, ...]) -> tuple[Emit, int, bool]:
        return Matrix(self._features, self._usual, self._sample, self.inputs).behind(steps)

    def _likely(self, likelihood: Callable[[Graph, Any, str], str], model: Any, steps: tuple[Any, ...]) -> Emit:
        matrix, _, _ = self._matrix(steps)

        def emit(graph: Graph, place: Place) -> str:
            scores = graph.add("Softmax", likelihood(graph, model, matrix(graph, place)), axis=1)
            return picked(graph, scores, [1]) if len(model.classes_) == 2 else scores

        return emit

    def _stacked(self, model: Any, steps: tuple[Any, ...]) -> Given:
        """What the members say, side by side."""
        if model.passthrough:
            raise UnfoldableError(f"{kind_of(model)} that passes the record on")
        parts, columns = [], 0
        for member, method in zip(model.estimators_, model.stack_method_, strict=True):
            classes = len(getattr(member, "classes_", ()))
            if method == "predict" and classes:
                raise UnfoldableError(f"{kind_of(model)} over predicted classes")
            say = {"predict": self.predictions, "predict_proba": self.chances, "decision_function": self._decision}
            parts.append(say[method](member, steps))
            columns += classes if classes > 2 else 1
        emit = once(lambda graph, place: _beside(graph, [part(graph, place) for part in parts]))
        return Given(tuple(Made(emit, column, exact=False) for column in range(columns)))

    def _one_vs_rest(self, model: Any, steps: tuple[Any, ...]) -> Emit:
        parts = [self.chances(each, steps) for each in model.estimators_]
        if model.multilabel_:
            raise UnfoldableError("OneVsRestClassifier of several labels")
        if len(parts) == 1:
            return parts[0]
        return lambda graph, place: _shares(graph, _beside(graph, [part(graph, place) for part in parts]), len(parts))

    def _one_calibrated(self, part: Any, steps: tuple[Any, ...]) -> Emit:
        classes = len(part.classes)
        if classes == 2 or part.method == "temperature":
            return super()._one_calibrated(part, steps)
        if len(part.estimator.classes_) != classes:
            raise UnfoldableError("a calibrated classifier that has not seen every class")
        decides = hasattr(part.estimator, "decision_function")
        decision = once((self._decision if decides else self.chances)(part.estimator, steps))
        one = {"sigmoid": calibrate.sigmoid, "isotonic": calibrate.isotonic}[part.method]

        def emit(graph: Graph, place: Place) -> str:
            said = decision(graph, place)
            each = [one(by, graph, picked(graph, said, [column])) for column, by in enumerate(part.calibrators)]
            return _shares(graph, _beside(graph, each), classes)

        return emit


def _seen(graph: Graph, matrix: str, single: bool) -> str:
    """As trees see the numbers: some as float32."""
    return graph.add("Cast", graph.add("Cast", matrix, to=FLOAT), to=DOUBLE) if single else matrix


def _beside(graph: Graph, parts: Sequence[str]) -> str:
    return graph.add("Concat", *parts, axis=1) if len(parts) > 1 else parts[0]


def _shares(graph: Graph, value: str, columns: int) -> str:
    """Each column's share of the row; without any, all are equal."""
    total = product(graph, value, np.ones((columns, 1)))
    none = graph.add("Equal", total, graph.constant([0.0]))
    shares = graph.add("Div", value, graph.add("Where", none, graph.constant([1.0]), total))
    return graph.add("Where", none, graph.constant([1.0 / columns]), shares)
