"""What folds is the model: on gaps, unknown levels, far-off numbers and both sides of every split."""

import numpy as np
import pytest
from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from headrace.compiled_cases import FEATURES, MODELS, Case, columns, fitted
from shared.package.compiled.fold import fold
from shared.package.compiled.proof import prove
from shared.package.compiled.runtime import CompiledScorer, OutsideError
from shared.package.manifest import Feature
from shared.package.score import predict_scores, to_frame

NUMBERS = tuple(Feature(name=name, type="number") for name in ("a", "b"))
# Which these are is the page's to say; these are its first rows down to the first that does not fold.
FOLDED = MODELS[: next(place for place, case in enumerate(MODELS) if "categorical_features" in case.name)]


def compiled(case: Case) -> CompiledScorer:
    content = fold(fitted(case), case.task, FEATURES, case.classes, columns())
    return CompiledScorer(content, FEATURES, len(case.classes) if case.task == "multiclass" else 1)


@pytest.mark.parametrize("case", FOLDED, ids=lambda case: case.name)
def test_one_row_at_a_time_and_all_at_once_say_what_the_model_says(case: Case) -> None:
    scorer = compiled(case)
    rows = 40
    cells = {name: [*values[:rows], None] for name, values in columns().items()}
    cells["colour"][1] = cells["shop"][2] = "never seen"
    wanted = predict_scores(fitted(case), case.task, to_frame(FEATURES, cells), case.classes)
    found = scorer.score_array(cells)
    assert np.abs(found - wanted).max() <= 1e-12 * max(1.0, np.abs(wanted).max())
    names = {kind: [one.name for one in FEATURES if one.type == kind] for kind in ("number", "category")}
    alone = [
        scorer.score_row(
            [cells[name][row] for name in names["number"]], [cells[name][row] for name in names["category"]]
        )
        for row in range(rows + 1)
    ]
    assert np.abs(np.array(alone) - found).max() <= 1e-14 * max(1.0, np.abs(wanted).max())


@pytest.mark.parametrize("single", [False, True], ids=["float64", "float32"])
def test_ties_at_every_split_go_where_the_model_sends_them(single: bool) -> None:
    random = np.random.default_rng(3)
    # Values that float32 cannot hold, so that a forest's thresholds and the numbers disagree in the last bits.
    values = random.normal(size=(400, 2)) * 1000 + 0.1
    truth = (values.sum(axis=1) + random.normal(size=400) * 300 > 0).astype(int)
    forest = RandomForestClassifier(20, random_state=0)
    model = Pipeline(
        [("scale", StandardScaler()), ("model", forest if single else HistGradientBoostingClassifier(max_iter=20))]
    ).fit(to_frame(NUMBERS, dict(zip("ab", values.T, strict=True))), truth)
    real = dict(zip("ab", values.T.tolist(), strict=True))
    content = fold(model, "binary", NUMBERS, ("no", "yes"), real)
    assert prove(content, model, "binary", NUMBERS, ("no", "yes"), real).max_difference < 1e-15
    scorer = CompiledScorer(content, NUMBERS, 1)
    near = np.concatenate([np.nextafter(values, side) for side in (-np.inf, np.inf)])
    near = np.concatenate([near, values.astype(np.float32).astype(np.float64)])
    cells = {"a": near[:, 0], "b": near[:, 1]}
    wanted = predict_scores(model, "binary", to_frame(NUMBERS, cells), ("no", "yes"))
    assert np.abs(scorer.score_array(cells) - wanted).max() < 1e-15


def test_classes_in_another_order_than_the_contract_are_put_in_its_order() -> None:
    case = next(case for case in MODELS if case.name.startswith("LogisticRegression, three"))
    order = ("top", "low", "mid")
    labels = np.array(order)[fitted(case).predict(to_frame(FEATURES, columns()))]
    model = case.build().fit(to_frame(FEATURES, columns()), labels)
    assert tuple(model.classes_) != order
    content = fold(model, case.task, FEATURES, order, columns())
    assert prove(content, model, case.task, FEATURES, order, columns()).rows >= 10_000
    two = np.where(labels == "mid", "yes", "no")
    model = LogisticRegression().fit(np.arange(len(two), dtype=float)[:, None], two)
    one = (Feature(name="x", type="number"),)
    cells = {"x": [0.0, 17.0, 400.0]}
    found = CompiledScorer(fold(model, "binary", one, ("yes", "no"), cells), one, 1).score_array(cells)
    assert np.abs(found - model.predict_proba(np.array(cells["x"])[:, None])[:, :1]).max() < 1e-15


def outside(scorer: CompiledScorer, cells: dict[str, list[object]]) -> None:
    with pytest.raises(OutsideError):
        scorer.score(cells)
    numbers = [cells[one.name][0] for one in scorer_features(scorer) if one.type == "number"]
    categories = [cells[one.name][0] for one in scorer_features(scorer) if one.type == "category"]
    with pytest.raises(OutsideError):
        scorer.score_row(numbers, categories)  # type: ignore[arg-type]


def scorer_features(scorer: CompiledScorer) -> tuple[Feature, ...]:
    return NUMBERS if len(scorer.plan.numbers) == 2 else FEATURES


def test_a_null_that_the_model_refuses_is_left_to_the_model() -> None:
    values = np.random.default_rng(4).normal(size=(100, 2))
    model = LogisticRegression().fit(to_frame(NUMBERS, dict(zip("ab", values.T, strict=True))), values[:, 0] > 0)
    scorer = CompiledScorer(fold(model, "binary", NUMBERS, ("no", "yes"), {"a": [1.0], "b": [0.0]}), NUMBERS, 1)
    assert len(scorer.score({"a": [1.0], "b": [2.0]})) == 1
    outside(scorer, {"a": [None], "b": [2.0]})
    outside(scorer, {"a": [1.0], "b": [float("nan")]})


def test_numbers_beyond_float32_are_left_to_a_forest_which_refuses_them() -> None:
    values = np.random.default_rng(5).normal(size=(100, 2))
    frame = to_frame(NUMBERS, dict(zip("ab", values.T, strict=True)))
    model = ExtraTreesClassifier(5, random_state=0).fit(frame, values[:, 0] > 0)
    scorer = CompiledScorer(fold(model, "binary", NUMBERS, ("no", "yes"), {"a": [1.0], "b": [0.0]}), NUMBERS, 1)
    largest = float(np.finfo(np.float32).max)
    assert len(scorer.score({"a": [largest, -largest], "b": [2.0, 2.0]})) == 2
    for value in (1e39, -1e39):
        with np.errstate(over="ignore"), pytest.raises(ValueError, match="too large"):
            predict_scores(model, "binary", to_frame(NUMBERS, {"a": [value], "b": [2.0]}))
        outside(scorer, {"a": [value], "b": [2.0]})
