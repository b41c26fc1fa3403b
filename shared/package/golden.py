"""Golden records: up to 200 inputs with the scores they got, re-scored wherever the package goes."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field, FiniteFloat, model_validator

from shared.package.manifest import Feature, Strict, Task
from shared.package.refusal import PackageRefused
from shared.package.score import predict_scores, to_frame

if TYPE_CHECKING:
    import pandas as pd

MAX_RECORDS = 200
TOLERANCE = 1e-9
UNKNOWN_LEVEL = "~never seen~"

Cell = FiniteFloat | str | None


class Golden(Strict):
    """Columns of inputs, and one score vector per record."""

    columns: dict[str, tuple[Cell, ...]]
    scores: tuple[tuple[FiniteFloat, ...], ...] = Field(min_length=1, max_length=MAX_RECORDS)

    @model_validator(mode="after")
    def _is_rectangular(self) -> "Golden":
        if any(len(cells) != len(self.scores) for cells in self.columns.values()):
            raise ValueError("each column needs one cell per record")
        return self

    def frame(self, features: Sequence[Feature]) -> "pd.DataFrame":
        """Return the inputs as the model takes them."""
        return to_frame(features, self.columns)


def choose_golden(features: Sequence[Feature], frame: "pd.DataFrame") -> dict[str, tuple[Any, ...]]:
    """Choose records evenly from `frame` and add awkward ones: each feature null, all null, each category unknown."""
    awkward = _awkward(features, frame.iloc[len(frame) // 2])[: MAX_RECORDS // 2]
    wanted = min(len(frame), MAX_RECORDS - len(awkward))
    even = frame.iloc[np.linspace(0, len(frame) - 1, wanted).astype(np.int64)]
    return {
        feature.name: (*_cells(feature, even[feature.name].tolist()), *(record[feature.name] for record in awkward))
        for feature in features
    }


def _cells(feature: Feature, values: list[Any]) -> list[Any]:
    """Return JSON's view of a column: null for NaN and for what JSON cannot say."""
    if feature.type == "category":
        return values
    return [float(value) if np.isfinite(value) else None for value in values]


def _awkward(features: Sequence[Feature], row: "pd.Series[Any]") -> list[dict[str, Any]]:
    usual = {feature.name: _cells(feature, [row[feature.name]])[0] for feature in features}
    categories = [feature.name for feature in features if feature.type == "category"]
    unknown = [usual | {name: UNKNOWN_LEVEL} for name in categories]
    nulls = [usual | {feature.name: None} for feature in features]
    return [dict.fromkeys(usual), usual | dict.fromkeys(categories, UNKNOWN_LEVEL), *unknown, *nulls]


def score_golden(
    model: Any, task: Task, features: Sequence[Feature], classes: Sequence[str], columns: Mapping[str, Any]
) -> Golden:
    """Ask the model once; what it answers now it must answer for ever. PackageRefused where it has no answer."""
    try:
        scores = predict_scores(model, task, to_frame(features, columns), classes)
    except PackageRefused:
        raise
    except Exception as error:  # an estimator may raise anything
        raise PackageRefused(
            "golden",
            f"records with nulls and unknown levels, which clients may send, cannot be scored: {error!r:.200}; put an "
            "imputer, and an encoder that takes unknown levels, into the pipeline",
        ) from error
    return Golden(columns=dict(columns), scores=tuple(tuple(row) for row in scores.tolist()))


def check_golden(golden: Golden, scores: Sequence[Sequence[float]] | np.ndarray[Any, Any]) -> float:
    """Return the largest difference to the stored scores; raises PackageRefused above 1e-9 (relative above 1)."""
    stored, found = np.asarray(golden.scores), np.asarray(scores, dtype=np.float64)
    if stored.shape != found.shape or not np.isfinite(found).all():
        raise PackageRefused("golden", f"{found.shape} finite scores expected to be {stored.shape}")
    difference = float((np.abs(stored - found) / np.maximum(1.0, np.abs(stored))).max())
    if difference > TOLERANCE:
        raise PackageRefused("golden", f"golden records score up to {difference:.3g} apart from training")
    return difference
