"""One way from columns to scores, whatever a model calls its classes."""

import numpy as np
import pytest
from sklearn.dummy import DummyClassifier, DummyRegressor

from shared.package import Feature, PackageRefused, predict_scores, to_frame

FEATURES = (Feature(name="size", type="number"), Feature(name="colour", type="category"))
FRAME = to_frame(FEATURES, {"colour": ["red", None, 7], "size": [1, None, float("inf")]})


def test_null_is_nan_for_numbers_and_none_for_categories() -> None:
    assert list(FRAME.columns) == ["size", "colour"]
    assert np.isnan(FRAME["size"][1])
    assert FRAME["colour"].tolist() == ["red", None, "7"]


def test_the_positive_class_is_the_contracts_last_not_the_alphabets() -> None:
    model = DummyClassifier(strategy="prior").fit(FRAME, ["on_time", "late", "on_time"])
    scores = predict_scores(model, "binary", FRAME, ("on_time", "late"))
    assert scores.shape == (3, 1)
    assert scores[0, 0] == pytest.approx(1 / 3)


def test_classes_by_position_and_by_name_give_the_same_columns() -> None:
    by_name = DummyClassifier(strategy="prior").fit(FRAME, ["b", "c", "c"])
    by_position = DummyClassifier(strategy="prior").fit(FRAME, [1, 2, 2])
    for model in (by_name, by_position):
        scores = predict_scores(model, "multiclass", FRAME, ("a", "b", "c"))
        assert scores[0].tolist() == pytest.approx([0, 1 / 3, 2 / 3])


def test_a_class_nobody_knows_is_refused() -> None:
    model = DummyClassifier(strategy="prior").fit(FRAME, ["b", "c", "z"])
    with pytest.raises(PackageRefused, match="'z'"):
        predict_scores(model, "multiclass", FRAME, ("a", "b", "c"))


def test_a_regression_has_one_column() -> None:
    assert predict_scores(DummyRegressor().fit(FRAME, [1, 2, 3]), "regression", FRAME).tolist() == [[2.0]] * 3
