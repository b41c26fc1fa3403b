"""Trees that would make compiled code read memory that is not theirs are refused; every honest one passes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from shared.package.allow_list import dump_model, load_model
from shared.package.refusal import PackageRefused
from shared.package.trees import check_trees

_DRAWN = np.random.default_rng(0).integers(0, 9, size=(300, 4)).astype(float)
_LABELS = (_DRAWN[:, 0] + _DRAWN[:, 3] > 9).astype(int)
_NODES = "nodes"


def _boosted() -> Any:
    model = HistGradientBoostingClassifier(max_iter=3, categorical_features=[3], random_state=0)
    return model.fit(_DRAWN, _LABELS)


@pytest.mark.parametrize(
    "model",
    [
        HistGradientBoostingClassifier(max_iter=3, random_state=0),
        HistGradientBoostingRegressor(max_iter=3, random_state=0),
        RandomForestClassifier(5, random_state=0),
        ExtraTreesClassifier(5, max_leaf_nodes=7, random_state=0),
        GradientBoostingClassifier(n_estimators=3, random_state=0),
        IsolationForest(n_estimators=5, random_state=0),
        DecisionTreeClassifier(max_depth=1, random_state=0),
        make_pipeline(
            StandardScaler(), CalibratedClassifierCV(HistGradientBoostingClassifier(max_iter=2, random_state=0), cv=2)
        ),
    ],
    ids=lambda model: type(model).__name__,
)
def test_honest_model_passes(model: Any, tmp_path: Path) -> None:
    dump_model(model.fit(_DRAWN, _LABELS), tmp_path / "model.skops")
    loaded = load_model(tmp_path / "model.skops")
    assert np.array_equal(loaded.predict(_DRAWN), model.predict(_DRAWN))


def _set(column: str, value: int) -> Callable[[Any], None]:
    def spoil(nodes: Any) -> None:
        nodes[column][0] = value

    return spoil


def _take_number_for_category(nodes: Any) -> None:
    nodes["is_categorical"][0], nodes["feature_idx"][0] = 1, 1


def _ask_for_missing_set(nodes: Any) -> None:
    # A model with categories puts their columns first.
    nodes["is_categorical"][0], nodes["feature_idx"][0], nodes["bitset_idx"][0] = 1, 0, 4_000_000


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (_set("left", 4_000_000_000), "outside it"),
        (_set("right", 0), "in a circle"),
        (_set("feature_idx", 4), "beyond its 4"),
        (_set("feature_idx", -1), "beyond its 4"),
        (_take_number_for_category, "number for a category"),
        (_ask_for_missing_set, "set of categories"),
    ],
)
def test_spoilt_boosting_is_refused(spoil: Callable[[Any], None], words: str) -> None:
    model = _boosted()
    check_trees(model)
    spoil(model._predictors[0][0].nodes)
    with pytest.raises(PackageRefused, match=words):
        check_trees(model)


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("left_child", 1_000_000, "outside it"),
        ("right_child", -7, "outside it"),
        ("right_child", 0, "in a circle"),
        ("feature", 4, "beyond its 4"),
        ("feature", -2, "beyond its 4"),
    ],
)
def test_spoilt_forest_is_refused(column: str, value: int, words: str, tmp_path: Path) -> None:
    model = RandomForestClassifier(2, random_state=0).fit(_DRAWN, _LABELS)
    tree = model.estimators_[1].tree_
    state = tree.__getstate__()
    state[_NODES] = state[_NODES].copy()
    state[_NODES][column][0] = value
    tree.__setstate__(state)
    dump_model(model, tmp_path / "model.skops")
    with pytest.raises(PackageRefused, match=words):
        load_model(tmp_path / "model.skops")


def test_tree_without_owner_is_refused() -> None:
    tree = DecisionTreeClassifier(random_state=0).fit(_DRAWN, _LABELS).tree_
    with pytest.raises(PackageRefused, match="belongs to no estimator"):
        check_trees([tree])
