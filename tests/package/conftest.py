"""A small package of each kind, made the way the trainer makes them."""

import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OrdinalEncoder

from shared.package import Content, Feature, Reference, ReferenceRow, predict_scores, to_frame, write_package
from shared.package.golden import choose_golden
from shared.package.profile import Profile, calibrate, count_labels, profile_inputs, score_bins

FEATURES = (Feature(name="colour", type="category"), Feature(name="size", type="number"))
CLASSES = ("no", "yes")
START = datetime(2024, 1, 1, tzinfo=UTC)


def build(seed: int = 0) -> Pipeline:
    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan, encoded_missing_value=np.nan)
    columns = ColumnTransformer([("codes", codes, ["colour"])], remainder="passthrough")
    return Pipeline([("columns", columns), ("model", HistGradientBoostingClassifier(max_iter=5, random_state=seed))])


def toy_columns(rows: int = 400) -> tuple[dict[str, list[Any]], list[str]]:
    random = np.random.default_rng(1)
    size = random.normal(size=rows)
    colour = random.choice(np.array(["red", "green", "blue"]), rows)
    late = (size + (colour == "red") + random.normal(size=rows) * 0.3 > 0.5).tolist()
    sizes: list[float | None] = [None if number > 2.2 else float(number) for number in size]
    return {"colour": colour.tolist(), "size": sizes}, [CLASSES[one] for one in late]


def make_content(model: Any, **changed: Any) -> Content:
    columns, labels = toy_columns()
    frame = to_frame(FEATURES, columns)
    scores = predict_scores(model, "binary", frame, CLASSES)
    numbers, categories = profile_inputs(FEATURES, frame)
    rows = tuple(
        ReferenceRow(
            kind="oof" if row < 200 else "holdout",
            block=(START + timedelta(days=row // 100)).date().isoformat(),
            position=row,
            event_time=START + timedelta(minutes=14 * row),
            scores=tuple(vector),
            flagged=False,
            label=label if row % 50 else None,
            value=None,
            volume=100,
        )
        for row, (vector, label) in enumerate(zip(scores.tolist(), labels, strict=True))
    )
    profile = Profile(
        rows=len(frame),
        numbers=numbers,
        categories=categories,
        scores=score_bins(scores),
        calibration=calibrate(scores[:, 0], np.array(labels) == "yes"),
        labels=count_labels(CLASSES, labels),
    )
    parts: dict[str, Any] = {
        "use_case": "toy",
        "task": "binary",
        "classes": CLASSES,
        "contract_digest": "c" * 64,
        "train_until": START + timedelta(days=2),
        "features": FEATURES,
        "rows_digest": "d" * 64,
        "rows_trained": 200,
        "evaluation": {"auc": 0.9},
        "lineage": {"seed": "0"},
        "profile": profile,
        "reference": Reference(rows),
        "golden": choose_golden(FEATURES, frame),
    }
    return Content(**(parts | changed))


def fitted(seed: int = 0) -> Pipeline:
    columns, labels = toy_columns()
    return build(seed).fit(to_frame(FEATURES, columns), labels)


@pytest.fixture(scope="session")
def toy_model() -> Pipeline:
    return fitted()


@pytest.fixture(scope="session")
def written_once(tmp_path_factory: pytest.TempPathFactory, toy_model: Pipeline) -> tuple[Path, str]:
    path = tmp_path_factory.mktemp("toy") / "package"
    return path, write_package(path, toy_model, make_content(toy_model))


@pytest.fixture
def toy_package(tmp_path: Path, written_once: tuple[Path, str]) -> tuple[Path, str]:
    path, digest = written_once
    return shutil.copytree(path, tmp_path / "package"), digest


@pytest.fixture
def content_of() -> Callable[..., Content]:
    return make_content


@pytest.fixture
def another_fit() -> Callable[[], Pipeline]:
    return fitted
