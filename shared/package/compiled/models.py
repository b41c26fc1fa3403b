"""Which fitted models fold, and how: each becomes a function that adds its nodes to the graph."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from shared.package.compiled import calibrate
from shared.package.compiled.errors import UnfoldableError
from shared.package.compiled.graph import Graph
from shared.package.compiled.inputs import Inputs, Key
from shared.package.compiled.linear import Linear
from shared.package.compiled.probe import Cell, Floats, Probe
from shared.package.compiled.trees import Ensemble, Tree, boosted, constant, plain
from shared.package.compiled.walk import Source, sources_after
from shared.package.manifest import Feature

Place = Mapping[Key, int]
Emit = Callable[[Graph, Place], str]

# Wrappers that answer with the scores of one fitted model inside.
WRAPPERS = {
    "FixedThresholdClassifier": "estimator_",
    "TunedThresholdClassifierCV": "estimator_",
    "FrozenEstimator": "estimator",
    "GridSearchCV": "best_estimator_",
    "RandomizedSearchCV": "best_estimator_",
}
HIST = ("HistGradientBoostingClassifier", "HistGradientBoostingRegressor")
GRADIENT = ("GradientBoostingClassifier", "GradientBoostingRegressor")
FORESTS = ("RandomForestClassifier", "RandomForestRegressor", "ExtraTreesClassifier", "ExtraTreesRegressor")
TREES = ("DecisionTreeClassifier", "DecisionTreeRegressor", "ExtraTreeClassifier", "ExtraTreeRegressor")
LOGISTIC = ("LinearDiscriminantAnalysis", "LogisticRegression", "LogisticRegressionCV")
# They decide by a sum and have no probabilities of their own; calibrated, they have.
MARGINS = ("LinearSVC", "RidgeClassifier", "RidgeClassifierCV")
BAGS = ("BaggingClassifier", "BaggingRegressor")
LINEAR = (
    *("ARDRegression", "BayesianRidge", "ElasticNet", "ElasticNetCV", "HuberRegressor", "Lars", "Lasso", "LassoCV"),
    *("LassoLars", "LinearRegression", "QuantileRegressor", "Ridge", "RidgeCV", "SGDRegressor", "TheilSenRegressor"),
)
GENERALISED = ("GammaRegressor", "PoissonRegressor", "TweedieRegressor")
ACTIVATIONS = {"relu": "Relu", "tanh": "Tanh", "logistic": "Sigmoid", "softmax": "Softmax"}
LINKS = {"LogLink": "Exp", "LogitLink": "Sigmoid", "HalfLogitLink": "Sigmoid", "MultinomialLogit": "Softmax"}


class Folder:
    """Folds a model over the features of a contract; what it asks of the input is collected in `inputs`."""

    def __init__(self, features: Sequence[Feature], usual: Mapping[str, Cell]) -> None:
        self.inputs = Inputs()
        self._features, self._usual = features, usual

    def predictions(self, model: Any, steps: tuple[Any, ...] = ()) -> Emit:
        """Return what `predict` of a regression says, float64[rows, 1]."""
        name = kind_of(model)
        if name == "Pipeline":
            return self.predictions(model.steps[-1][1], (*steps, *(each for _, each in model.steps[:-1])))
        if name in WRAPPERS:
            return self.predictions(getattr(model, WRAPPERS[name]), steps)
        if name == "VotingRegressor":
            return _mean([self.predictions(each, steps) for each in model.estimators_], model._weights_not_none)
        if name in BAGS:
            return _mean([self.predictions(each, steps) for each in _bagged(model)])
        raw = self._raw(model, steps)
        if raw is None:
            return self._averaged(model, steps)
        # GradientBoostingRegressor has losses with the identity as link only.
        loss = getattr(model, "_loss", getattr(model, "_base_loss", None)) if name not in GRADIENT else None
        return _linked(raw, loss)

    def chances(self, model: Any, steps: tuple[Any, ...] = ()) -> Emit:
        """Return P(second class) as float64[rows, 1] of two classes, else one column per class."""
        name = kind_of(model)
        if name == "Pipeline":
            return self.chances(model.steps[-1][1], (*steps, *(each for _, each in model.steps[:-1])))
        if name in WRAPPERS:
            return self.chances(getattr(model, WRAPPERS[name]), steps)
        if name == "CalibratedClassifierCV":
            return _mean([self._one_calibrated(each, steps) for each in model.calibrated_classifiers_])
        if name == "VotingClassifier":
            if model.voting != "soft":
                raise UnfoldableError("VotingClassifier is folded with soft votes only")
            return _mean([self.chances(each, steps) for each in model.estimators_], model._weights_not_none)
        if name in BAGS:
            return _mean([self.chances(each, steps) for each in _bagged(model)])
        raw = self._raw(model, steps)
        if raw is None:
            return self._averaged(model, steps)
        if name == "AdaBoostClassifier":
            return lambda graph, place: _turned("Sigmoid", graph, raw(graph, place))
        if name == "MLPClassifier":
            return lambda graph, place: _turned(ACTIVATIONS[model.out_activation_], graph, raw(graph, place))
        if name in LOGISTIC or name == "SGDClassifier":
            binary = len(model.classes_) == 2
            if name == "SGDClassifier" and not (binary and model.loss == "log_loss"):
                raise UnfoldableError("SGDClassifier is folded for two classes with log_loss only")
            return lambda graph, place: _turned("Sigmoid" if binary else "Softmax", graph, raw(graph, place))
        if not hasattr(model, "_loss"):
            raise UnfoldableError(f"{name} has no probabilities that follow from its decision")
        return _linked(raw, model._loss)

    def _raw(self, model: Any, steps: tuple[Any, ...]) -> Emit | None:
        """What `decision_function` says, or the prediction before the link; None for averages of trees."""
        name = kind_of(model)
        if name in HIST:
            if model.is_categorical_ is not None:
                raise UnfoldableError(f"{name} with categorical_features")
            trees = [constant(float(value), k) for k, value in enumerate(np.ravel(model._baseline_prediction))]
            trees += [boosted(tree, k) for stage in model._predictors for k, tree in enumerate(stage)]
            return self._ensemble(model, trees, steps, single=False)
        if name in GRADIENT:
            return self._ensemble(model, _stages(model), steps, single=True)
        if name in (*LOGISTIC, *LINEAR, *MARGINS, *GENERALISED, "SGDClassifier"):
            coefficients = np.atleast_2d(np.asarray(model.coef_, dtype=np.float64))
            intercepts = np.broadcast_to(np.asarray(model.intercept_, dtype=np.float64), len(coefficients))
            return self._linear(model, coefficients, intercepts, steps)
        if name in ("MLPClassifier", "MLPRegressor"):
            return self._layers(model, steps)
        if name == "AdaBoostClassifier":
            return self._ensemble(model, _votes(model), steps, single=True)
        if name in (*FORESTS, *TREES):
            return None
        raise UnfoldableError(f"{name} is no tree, no mean or sum of trees, no network and not linear")

    def _layers(self, model: Any, steps: tuple[Any, ...]) -> Emit:
        """A network up to, and without, what turns its last layer into scores."""
        first = self._linear(model, model.coefs_[0].T, model.intercepts_[0], steps)

        def emit(graph: Graph, place: Place) -> str:
            value = first(graph, place)
            for weights, bias in zip(model.coefs_[1:], model.intercepts_[1:], strict=True):
                if model.activation != "identity":
                    value = _turned(ACTIVATIONS[model.activation], graph, value)
                product = graph.add("MatMul", value, graph.constant(weights))
                value = graph.add("Add", product, graph.constant(bias))
            return value

        return emit

    def _linear(self, model: Any, coefficients: Floats, intercepts: Floats, steps: tuple[Any, ...]) -> Emit:
        sources, probe = self._behind(model, steps)
        return Linear(coefficients, intercepts, sources, probe, self.inputs).emit

    def _averaged(self, model: Any, steps: tuple[Any, ...]) -> Emit:
        """The mean of trees, summed in their order; a single tree is no mean."""
        members = model.estimators_ if kind_of(model) in FORESTS else [model]
        if model.n_outputs_ != 1:
            raise UnfoldableError(f"{kind_of(model)} with {model.n_outputs_} outputs")
        classes = len(getattr(model, "classes_", ()))
        # Of two classes only the second counts; a regression has one value.
        columns = {0: [0], 2: [1]}.get(classes, list(range(classes)))
        trees = [
            plain(member.tree_, member.tree_.value[:, 0, column], target)
            for member in members
            for target, column in enumerate(columns)
        ]
        total = self._ensemble(model, trees, steps, single=True)
        if len(members) == 1 and kind_of(model) in TREES:
            return total
        return lambda graph, place: graph.add("Div", total(graph, place), graph.constant([float(len(members))]))

    def _ensemble(self, model: Any, trees: list[Tree], steps: tuple[Any, ...], *, single: bool) -> Emit:
        sources, probe = self._behind(model, steps)
        return Ensemble(trees, sources, probe, self.inputs, single=single).emit

    def _behind(self, model: Any, steps: tuple[Any, ...]) -> tuple[list[Source], Probe]:
        kinds = [
            Source(place, "rising" if one.type == "number" else "text") for place, one in enumerate(self._features)
        ]
        sources = sources_after(steps, kinds)
        if len(sources) != model.n_features_in_:
            raise UnfoldableError(f"{kind_of(model)} takes {model.n_features_in_} columns, not {len(sources)}")
        if any(source.kind == "text" for source in sources):
            raise UnfoldableError(f"{kind_of(model)} is given text")
        for source in sources:
            self.inputs.levels.setdefault(source.feature, set()).update(source.levels)
        return sources, Probe(self._features, steps, self._usual)

    def _one_calibrated(self, part: Any, steps: tuple[Any, ...]) -> Emit:
        binary = len(part.classes) == 2
        if len(part.estimator.classes_) != len(part.classes):
            raise UnfoldableError("a calibrated classifier that has not seen every class")
        decides = hasattr(part.estimator, "decision_function")
        decision = self._decision(part.estimator, steps) if decides else self.chances(part.estimator, steps)
        if part.method == "temperature":
            if not decides:
                raise UnfoldableError("temperature scaling of a model without decision_function")
            only = part.calibrators[0]
            return lambda graph, place: calibrate.temperature(only, graph, decision(graph, place), binary=binary)
        one = {"sigmoid": calibrate.sigmoid, "isotonic": calibrate.isotonic}[part.method]
        if not binary:
            raise UnfoldableError(f"{part.method} calibration of more than two classes")
        return lambda graph, place: one(part.calibrators[0], graph, decision(graph, place))

    def _decision(self, model: Any, steps: tuple[Any, ...]) -> Emit:
        name = kind_of(model)
        if name == "Pipeline":
            return self._decision(model.steps[-1][1], (*steps, *(each for _, each in model.steps[:-1])))
        if name in WRAPPERS:
            return self._decision(getattr(model, WRAPPERS[name]), steps)
        raw = self._raw(model, steps)
        if raw is None:
            raise UnfoldableError(f"{name} has no decision function")
        return raw


def _stages(model: Any) -> list[Tree]:
    """The trees of the older gradient boosting, scaled as it scales them, behind its first guess."""
    if not (isinstance(model.init_, str) or kind_of(model.init_) in ("DummyClassifier", "DummyRegressor")):
        raise UnfoldableError(f"{kind_of(model)} with a model of its own as init")
    first = model._raw_predict_init(np.zeros((1, model.n_features_in_), dtype=np.float32))
    trees = [constant(float(value), k) for k, value in enumerate(np.ravel(first))]
    for stage in model.estimators_:
        for k, member in enumerate(stage):
            values: Floats = model.learning_rate * member.tree_.value[:, 0, 0]
            trees.append(plain(member.tree_, values, k))
    return trees


def _votes(model: Any) -> list[Tree]:
    """The trees of AdaBoost of two classes, each with its weight for one side or the other in every leaf."""
    if len(model.classes_) != 2 or any(kind_of(each) not in TREES for each in model.estimators_):
        raise UnfoldableError("AdaBoostClassifier is folded for two classes and over trees only")
    weights = model.estimator_weights_[: len(model.estimators_)]
    shares = (2.0 * weights / weights.sum()).tolist()
    return [
        plain(one.tree_, np.where(one.tree_.value[:, 0, :].argmax(axis=1) == 1, share, -share))
        for one, share in zip(model.estimators_, shares, strict=True)
    ]


def _bagged(model: Any) -> list[Any]:
    """The members of a bag, each of which sees every column as it comes."""
    every = list(range(model.n_features_in_))
    if any(list(columns) != every for columns in model.estimators_features_):
        raise UnfoldableError(f"{kind_of(model)} whose members see some columns only")
    if any(len(getattr(each, "classes_", ())) != len(getattr(model, "classes_", ())) for each in model.estimators_):
        raise UnfoldableError(f"{kind_of(model)} with a member that has not seen every class")
    return list(model.estimators_)


def _mean(parts: list[Emit], weights: Sequence[float] | None = None) -> Emit:
    """The mean of what the parts say, summed in their order."""

    def emit(graph: Graph, place: Place) -> str:
        values = [part(graph, place) for part in parts]
        if weights is not None:
            weighed = zip(values, weights, strict=True)
            values = [graph.add("Mul", value, graph.constant([float(weight)])) for value, weight in weighed]
        total, *others = values
        for other in others:
            total = graph.add("Add", total, other)
        share = float(len(parts)) if weights is None else float(np.sum(weights))
        return graph.add("Div", total, graph.constant([share])) if others else total

    return emit


def _linked(raw: Emit, loss: Any) -> Emit:
    """The inverse of the link that the loss names."""
    link = type(loss.link).__name__ if loss is not None else "IdentityLink"
    if link == "IdentityLink":
        return raw
    if link not in LINKS:
        raise UnfoldableError(f"the link {link}")

    def emit(graph: Graph, place: Place) -> str:
        value = raw(graph, place)
        if link == "HalfLogitLink":
            value = graph.add("Mul", value, graph.constant([2.0]))
        return _turned(LINKS[link], graph, value)

    return emit


def _turned(operator: str, graph: Graph, value: str) -> str:
    return graph.add(operator, value, axis=1) if operator == "Softmax" else graph.add(operator, value)


def kind_of(model: Any) -> str:
    """The class of an estimator of scikit-learn itself; anything else cannot be looked into."""
    kind = type(model)
    if kind.__module__.partition(".")[0] != "sklearn":
        raise UnfoldableError(f"{kind.__module__}.{kind.__name__} is not scikit-learn's")
    return kind.__name__
