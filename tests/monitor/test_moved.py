"""Features that moved are named with their distance; awkward columns are answered like any other."""

import math
from typing import Any

import numpy as np
import pytest

from services.monitor.moved import moved_features
from shared.package.bins import fit_category_levels, fit_number_bins
from shared.package.profile import Profile, score_bins

SIZE = np.random.default_rng(0).normal(size=1000)
PROFILE = Profile(
    rows=1000,
    numbers={
        "size": fit_number_bins(SIZE),
        "constant": fit_number_bins(np.ones(1000)),
        "void": fit_number_bins(SIZE * np.nan),
    },
    categories={"colour": fit_category_levels(["red"] * 600 + ["blue"] * 400)},
    scores=score_bins(np.full((1, 1), 0.5)),
)
SAME: dict[str, list[Any]] = {
    "size": SIZE.tolist(),
    "constant": [1.0] * 1000,
    "void": [None] * 1000,
    "colour": ["red"] * 600 + ["blue"] * 400,
}


def test_equal_data_has_moved_nowhere() -> None:
    assert moved_features(PROFILE, SAME) == []


def test_the_farthest_feature_comes_first() -> None:
    moved = SAME | {"size": (SIZE + 1).tolist(), "colour": ["red"] * 700 + ["blue"] * 300}
    (first, far), (second, near) = moved_features(PROFILE, moved)
    assert (first, second) == ("size", "colour")
    assert far == pytest.approx(0.38, abs=0.05)
    assert near == pytest.approx(0.1)
    assert moved_features(PROFILE, moved, most=1) == [("size", far)]


@pytest.mark.parametrize(
    "cells",
    [[None] * 10, ["text"] * 10, [math.inf, -math.inf] * 5, [math.nan] * 10, [10**400] * 10],
    ids=["null", "text", "infinite", "nan", "huge"],
)
def test_awkward_numbers_are_far_away_and_never_an_error(cells: list[Any]) -> None:
    assert dict(moved_features(PROFILE, {"size": cells}))["size"] == pytest.approx(1.0, abs=1e-3)


def test_missing_new_and_empty_columns_are_answered() -> None:
    assert moved_features(PROFILE, {}) == []
    assert moved_features(PROFILE, {"size": []}) == []
    gone = SAME.copy()
    del gone["size"]
    assert moved_features(PROFILE, gone | {"stranger": [1.0] * 1000}) == [("size", 1.0)]
    assert dict(moved_features(PROFILE, SAME | {"colour": ["green"] * 1000}))["colour"] == 1.0
    assert dict(moved_features(PROFILE, SAME | {"colour": [3] * 1000}))["colour"] == 1.0
    assert moved_features(PROFILE, {name: cells[:1] for name, cells in SAME.items()})
