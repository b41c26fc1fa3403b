"""Golden records hold ordinary rows and every kind of awkward one."""

import pytest
from sklearn.linear_model import LogisticRegression

from shared.package import Feature, PackageRefused, to_frame
from shared.package.golden import MAX_RECORDS, UNKNOWN_LEVEL, choose_golden, score_golden


def test_nulls_and_unknown_levels_stand_among_the_records() -> None:
    features = (Feature(name="size", type="number"), Feature(name="colour", type="category"))
    frame = to_frame(features, {"size": [float(n) for n in range(1000)], "colour": ["red"] * 1000})
    chosen = choose_golden(features, frame)
    assert {len(cells) for cells in chosen.values()} == {MAX_RECORDS}
    assert None in chosen["size"]
    assert {"red", None, UNKNOWN_LEVEL} == set(chosen["colour"])
    assert chosen["size"][0] == 0.0
    assert 999.0 in chosen["size"]


def test_infinity_becomes_null_because_json_has_none() -> None:
    features = (Feature(name="size", type="number"),)
    assert set(choose_golden(features, to_frame(features, {"size": [float("inf")]}))["size"]) == {None}


def test_a_model_that_cannot_score_a_null_is_refused_with_what_to_do() -> None:
    features = (Feature(name="size", type="number"),)
    model = LogisticRegression().fit(to_frame(features, {"size": [0.0, 1.0]}), [0, 1])
    with pytest.raises(PackageRefused, match=r"cannot be scored: ValueError\('Input X contains NaN.*put an imputer"):
        score_golden(model, "binary", features, ("no", "yes"), {"size": (1.0, None)})
