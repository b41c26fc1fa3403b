"""Small fitted models of every kind that the page on compiled forms speaks of, and that its tests fold."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy as np
from sklearn import (
    calibration,
    decomposition,
    discriminant_analysis,
    ensemble,
    impute,
    kernel_approximation,
    kernel_ridge,
    linear_model,
    multiclass,
    naive_bayes,
    neighbors,
    neural_network,
    svm,
)
from sklearn import preprocessing as pre
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.model_selection import FixedThresholdClassifier, StratifiedKFold
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from shared.package.manifest import Feature, Task
from shared.package.score import to_frame

FEATURES = (
    Feature(name="colour", type="category"),
    Feature(name="shop", type="category"),
    Feature(name="size", type="number"),
    Feature(name="speed", type="number"),
    Feature(name="weight", type="number"),
)
CATEGORIES, NUMBERS = ["colour", "shop"], ["size", "speed", "weight"]
CLASSES: dict[str, tuple[str, ...]] = {"binary": ("no", "yes"), "multiclass": ("low", "mid", "top"), "regression": ()}
ROWS = 500


@dataclass(frozen=True)
class Case:
    """One row of a table: its words, its task, and how to build it unfitted."""

    name: str
    task: Task
    build: Callable[[], Any]

    @property
    def classes(self) -> tuple[str, ...]:
        """The contract's classes."""
        return CLASSES[self.task]


@cache
def columns() -> dict[str, list[Any]]:
    """Records with gaps, ties and far-off values; the seed is fixed."""
    random = np.random.default_rng(7)
    found: dict[str, list[Any]] = {}
    for name, levels in (("colour", ["red", "green", "blue", "grey", "pink"]), ("shop", ["a", "b", "c"])):
        chosen = random.choice(np.array([*levels, ""], dtype=object), ROWS, p=_shares(len(levels)))
        found[name] = [level or None for level in chosen.tolist()]
    for number, name in enumerate(NUMBERS):
        values = np.round(random.normal(size=ROWS) * 10.0**number, 3)
        gaps = random.random(ROWS) < 0.05
        found[name] = [None if gap else value for gap, value in zip(gaps, values.tolist(), strict=True)]
    return found


def _shares(levels: int) -> list[float]:
    parts = [2.0**-level for level in range(levels)] + [0.1]
    return [part / sum(parts) for part in parts]


def target(task: Task) -> Any:
    """What the models are fitted to."""
    size = np.array([value or 0.0 for value in columns()["size"]])
    red = np.array([colour == "red" for colour in columns()["colour"]])
    value = size + red + np.random.default_rng(8).normal(size=ROWS) * 0.3
    if task == "regression":
        return np.exp(value)
    return np.digitize(value, [0.4] if task == "binary" else [-0.2, 0.9])


@cache
def fitted(case: Case) -> Any:
    """The fitted estimator of a case."""
    return case.build().fit(to_frame(FEATURES, columns()), target(case.task))


def behind(model: Any, *, numbers: Any = None, categories: Any = None) -> Pipeline:
    """The model behind the usual columns, or behind others."""
    numbers = numbers or make_pipeline(impute.SimpleImputer(), pre.StandardScaler())
    categories = categories or pre.OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    parts = ColumnTransformer([("categories", categories, CATEGORIES), ("numbers", numbers, NUMBERS)])
    return Pipeline([("columns", parts), ("model", model)])


def _boosting(**options: Any) -> Any:
    return ensemble.HistGradientBoostingClassifier(max_iter=12, early_stopping=False, random_state=1, **options)


def _calibrated(method: str, model: Any = None) -> Any:
    inner = behind(_boosting() if model is None else model)
    return calibration.CalibratedClassifierCV(inner, method=method, cv=StratifiedKFold(2))


def _case(name: str, task: Task, model: Callable[[], Any]) -> Case:
    return Case(name, task, lambda: behind(model()))


_few: dict[str, Any] = {"n_estimators": 8, "random_state": 1}
MODELS = (
    _case("HistGradientBoostingClassifier, two classes", "binary", _boosting),
    _case("HistGradientBoostingClassifier, three classes", "multiclass", _boosting),
    _case("HistGradientBoostingRegressor", "regression", lambda: ensemble.HistGradientBoostingRegressor(max_iter=12)),
    _case(
        "HistGradientBoostingRegressor, loss poisson or gamma",
        "regression",
        lambda: ensemble.HistGradientBoostingRegressor(max_iter=12, loss="poisson"),
    ),
    _case("GradientBoostingClassifier", "binary", lambda: ensemble.GradientBoostingClassifier(**_few)),
    _case(
        "GradientBoostingClassifier, three classes", "multiclass", lambda: ensemble.GradientBoostingClassifier(**_few)
    ),
    _case("GradientBoostingRegressor", "regression", lambda: ensemble.GradientBoostingRegressor(**_few)),
    _case("RandomForestClassifier", "binary", lambda: ensemble.RandomForestClassifier(**_few)),
    _case("RandomForestClassifier, three classes", "multiclass", lambda: ensemble.RandomForestClassifier(**_few)),
    _case("RandomForestRegressor", "regression", lambda: ensemble.RandomForestRegressor(**_few)),
    _case("ExtraTreesClassifier", "binary", lambda: ensemble.ExtraTreesClassifier(**_few)),
    _case("ExtraTreesRegressor", "regression", lambda: ensemble.ExtraTreesRegressor(**_few)),
    _case("DecisionTreeClassifier", "binary", lambda: DecisionTreeClassifier(max_depth=5)),
    _case("DecisionTreeRegressor", "regression", lambda: DecisionTreeRegressor(max_depth=5)),
    _case("LogisticRegression, two classes", "binary", lambda: linear_model.LogisticRegression()),
    _case("LogisticRegression, three classes", "multiclass", lambda: linear_model.LogisticRegression()),
    _case("SGDClassifier, log_loss", "binary", lambda: linear_model.SGDClassifier(loss="log_loss", random_state=1)),
    _case("LinearRegression, Ridge, Lasso, ElasticNet and their kind", "regression", linear_model.Ridge),
    _case("PoissonRegressor, GammaRegressor, TweedieRegressor", "regression", linear_model.PoissonRegressor),
    Case("CalibratedClassifierCV, sigmoid", "binary", lambda: _calibrated("sigmoid")),
    Case("CalibratedClassifierCV, isotonic", "binary", lambda: _calibrated("isotonic")),
    Case("CalibratedClassifierCV, temperature", "binary", lambda: _calibrated("temperature")),
    Case(
        "FixedThresholdClassifier (its threshold is the contract's affair)",
        "binary",
        lambda: FixedThresholdClassifier(behind(_boosting()), threshold=0.3),
    ),
    _case("MLPClassifier, MLPRegressor", "binary", lambda: neural_network.MLPClassifier((4,), tol=1.0, random_state=1)),
    _case(
        "VotingClassifier, soft",
        "binary",
        lambda: ensemble.VotingClassifier(
            [("a", _boosting()), ("b", linear_model.LogisticRegression())], voting="soft", weights=[1, 2]
        ),
    ),
    _case("AdaBoostClassifier over trees", "binary", lambda: ensemble.AdaBoostClassifier(n_estimators=3)),
    _case(
        "BaggingClassifier, BaggingRegressor",
        "binary",
        lambda: ensemble.BaggingClassifier(n_estimators=3, random_state=1),
    ),
    _case("LinearDiscriminantAnalysis", "binary", discriminant_analysis.LinearDiscriminantAnalysis),
    Case("LinearSVC, RidgeClassifier, calibrated", "binary", lambda: _calibrated("sigmoid", svm.LinearSVC())),
    _case(
        "HistGradientBoostingClassifier, categorical_features",
        "binary",
        lambda: _boosting(categorical_features=[0, 1]),
    ),
    _case("GaussianNB, three classes", "multiclass", naive_bayes.GaussianNB),
    _case("BernoulliNB, MultinomialNB", "binary", naive_bayes.BernoulliNB),
    _case(
        "QuadraticDiscriminantAnalysis",
        "binary",
        lambda: discriminant_analysis.QuadraticDiscriminantAnalysis(reg_param=0.1),
    ),
    Case("SVC, calibrated", "binary", lambda: _calibrated("sigmoid", svm.SVC())),
    _case("SVR, NuSVR", "regression", svm.SVR),
    _case("KernelRidge", "regression", lambda: kernel_ridge.KernelRidge(kernel="rbf")),
    _case(
        "StackingClassifier",
        "multiclass",
        lambda: ensemble.StackingClassifier([("a", _boosting()), ("b", naive_bayes.GaussianNB())], cv=2),
    ),
    _case(
        "StackingRegressor",
        "regression",
        lambda: ensemble.StackingRegressor([("a", linear_model.Ridge()), ("b", svm.SVR())], cv=2),
    ),
    _case(
        "VotingClassifier with a member that does not fold",
        "binary",
        lambda: ensemble.VotingClassifier([("a", _boosting()), ("b", naive_bayes.GaussianNB())], voting="soft"),
    ),
    _case(
        "OneVsRestClassifier", "multiclass", lambda: multiclass.OneVsRestClassifier(linear_model.LogisticRegression())
    ),
    Case("CalibratedClassifierCV, sigmoid, three classes", "multiclass", lambda: _calibrated("sigmoid")),
    Case("CalibratedClassifierCV, isotonic, three classes", "multiclass", lambda: _calibrated("isotonic")),
    Case(
        "TransformedTargetRegressor with functions of numpy",
        "regression",
        lambda: TransformedTargetRegressor(behind(linear_model.Ridge()), func=np.log1p, inverse_func=np.expm1),
    ),
    _case("KNeighborsClassifier", "binary", neighbors.KNeighborsClassifier),
)


def _quick_logistic() -> Any:
    return linear_model.LogisticRegression(solver="newton-cholesky", tol=0.01)


def _put(put: Callable[[Any], Any], model: Callable[[], Any]) -> Any:
    return put(model())


def _numbers(name: str, step: Callable[[], Any]) -> tuple[str, Callable[[Any], Any]]:
    return name, lambda model: behind(model, numbers=make_pipeline(impute.SimpleImputer(), step()))


def _categories(name: str, step: Callable[[], Any]) -> tuple[str, Callable[[Any], Any]]:
    return name, lambda model: behind(model, categories=step())


def _union() -> Any:
    return FeatureUnion([("bins", pre.KBinsDiscretizer(3, strategy="uniform")), ("products", pre.PolynomialFeatures())])


STEPS: tuple[tuple[str, Callable[[Any], Any]], ...] = (
    ("SimpleImputer", lambda model: behind(model, numbers=impute.SimpleImputer(strategy="median"))),
    (
        "SimpleImputer, add_indicator",
        lambda model: behind(model, numbers=impute.SimpleImputer(add_indicator=True)),
    ),
    _numbers("StandardScaler", pre.StandardScaler),
    _numbers("RobustScaler", pre.RobustScaler),
    _numbers("MinMaxScaler", pre.MinMaxScaler),
    _numbers("MaxAbsScaler", pre.MaxAbsScaler),
    _numbers("two scalers, one after the other", lambda: make_pipeline(pre.StandardScaler(), pre.MinMaxScaler())),
    _numbers("PowerTransformer, yeo-johnson", pre.PowerTransformer),
    _numbers("QuantileTransformer", lambda: pre.QuantileTransformer(n_quantiles=50)),
    _numbers(
        "KBinsDiscretizer, ordinal",
        lambda: pre.KBinsDiscretizer(5, encode="ordinal", strategy="uniform"),
    ),
    _categories("OneHotEncoder", lambda: pre.OneHotEncoder(handle_unknown="ignore")),
    _categories("OneHotEncoder, handle_unknown error", lambda: pre.OneHotEncoder()),
    _categories(
        "OneHotEncoder, infrequent levels",
        lambda: pre.OneHotEncoder(min_frequency=60, handle_unknown="infrequent_if_exist", sparse_output=False),
    ),
    _categories(
        "OrdinalEncoder",
        lambda: pre.OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2),
    ),
    _categories("TargetEncoder", lambda: pre.TargetEncoder(cv=StratifiedKFold(3))),
    _numbers("KBinsDiscretizer, onehot", lambda: pre.KBinsDiscretizer(5, strategy="uniform")),
    _numbers(
        "FunctionTransformer with numpy's absolute, sqrt, square, log1p …", lambda: pre.FunctionTransformer(np.abs)
    ),
    _numbers("FunctionTransformer with another function", lambda: pre.FunctionTransformer(np.arcsinh)),
    _numbers("PCA, IncrementalPCA, TruncatedSVD", lambda: decomposition.PCA(2)),
    _numbers("PolynomialFeatures", pre.PolynomialFeatures),
    _numbers("FeatureUnion of steps that export", _union),
    _numbers(
        "Nystroem, rbf, poly, sigmoid or linear", lambda: kernel_approximation.Nystroem(n_components=9, random_state=1)
    ),
    _numbers("RBFSampler", lambda: kernel_approximation.RBFSampler(n_components=9, random_state=1)),
    _numbers("SplineTransformer (skops does not hold it)", lambda: pre.SplineTransformer(n_knots=4)),
    ("KNNImputer", lambda model: behind(model, numbers=impute.KNNImputer())),
)
STEP_CASES = tuple(
    (
        Case(name, "binary", partial(_put, put, _boosting)),
        Case(name, "binary", partial(_put, put, _quick_logistic)),
    )
    for name, put in STEPS
)
