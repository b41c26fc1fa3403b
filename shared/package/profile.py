"""The baseline profile: what inputs, scores and demand looked like, in bins that add up."""

from collections import Counter
from collections.abc import Sequence
from typing import Annotated

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from shared.package.bins import CategoryLevels, Count, NumberBins, even_bins, fit_category_levels, fit_number_bins
from shared.package.manifest import Feature, Strict

SCORE_BINS = 32
CALIBRATION_BINS = 10
NANO = 1_000_000_000


class CalibrationBin(Strict):
    """Binary scores between k/10 and (k+1)/10: their sum in billionths (an integer, so that adding is exact)."""

    volume: Count = 0
    score_sum_nano: Count = 0
    positives: Count = 0

    def __add__(self, more: "CalibrationBin") -> "CalibrationBin":
        return CalibrationBin(
            volume=self.volume + more.volume,
            score_sum_nano=self.score_sum_nano + more.score_sum_nano,
            positives=self.positives + more.positives,
        )


class BlockProfile(Strict):
    """One out-of-sample block: how many rows, how many with a label, what the training contract would decide.

    `inputs` are the coarse counts of each column (`shared/package/coarse.py`); older packages have none.
    """

    kind: str = Field(pattern="^(oof|holdout)$")
    block: str = Field(max_length=40)
    volume: Count
    labelled: Count
    demand: dict[str, Count]
    inputs: dict[str, Annotated[tuple[Count, ...], Field(max_length=100)]] = {}


class Profile(Strict):
    """The inputs of all rows of a fit; scores, calibration, labels and demand of the out-of-sample rows only."""

    rows: Count
    numbers: dict[str, NumberBins]
    categories: dict[str, CategoryLevels]
    scores: tuple[NumberBins, ...]
    calibration: tuple[CalibrationBin, ...] = ()
    labels: dict[str, Count] = Field(default_factory=dict)
    blocks: tuple[BlockProfile, ...] = Field(default=(), max_length=20_000)

    @property
    def label_rate(self) -> dict[str, float]:
        """Share of each class among the labelled out-of-sample rows."""
        total = sum(self.labels.values())
        return {label: count / total for label, count in self.labels.items()} if total else {}

    def __add__(self, more: "Profile") -> "Profile":
        """Add two profiles with the same bins; blocks are listed one after the other."""
        return Profile(
            rows=self.rows + more.rows,
            numbers={name: bins + more.numbers[name] for name, bins in self.numbers.items()},
            categories={name: levels + more.categories[name] for name, levels in self.categories.items()},
            scores=tuple(a + b for a, b in zip(self.scores, more.scores, strict=True)),
            calibration=tuple(a + b for a, b in zip(self.calibration, more.calibration, strict=True)),
            labels={
                name: self.labels.get(name, 0) + more.labels.get(name, 0) for name in {**self.labels, **more.labels}
            },
            blocks=self.blocks + more.blocks,
        )


def profile_inputs(
    features: Sequence[Feature], frame: pd.DataFrame
) -> tuple[dict[str, NumberBins], dict[str, CategoryLevels]]:
    """Choose bins for each feature of a frame made by `to_frame`, and count it."""
    numbers = {f.name: fit_number_bins(_numbers(frame, f.name)) for f in features if f.type == "number"}
    categories = {f.name: fit_category_levels(frame[f.name].tolist()) for f in features if f.type == "category"}
    return numbers, categories


def _numbers(frame: pd.DataFrame, name: str) -> NDArray[np.float64]:
    return frame[name].to_numpy(dtype=np.float64)


def score_bins(scores: NDArray[np.float64], low: float = 0.0, high: float = 1.0) -> tuple[NumberBins, ...]:
    """Return one histogram per score column on [low, high]: probabilities, or a regression's label range."""
    empty = even_bins(low, high, SCORE_BINS)
    return tuple(empty.count(scores[:, column]) for column in range(scores.shape[1]))


def calibrate(scores: NDArray[np.float64], positive: NDArray[np.bool_]) -> tuple[CalibrationBin, ...]:
    """Return ten bins of binary scores[rows] against what happened."""
    slots = np.clip((scores * CALIBRATION_BINS).astype(np.int64), 0, CALIBRATION_BINS - 1)
    nano = np.rint(scores * NANO).astype(np.int64)
    return tuple(
        CalibrationBin(
            volume=int((slots == slot).sum()),
            score_sum_nano=int(nano[slots == slot].sum()),
            positives=int(positive[slots == slot].sum()),
        )
        for slot in range(CALIBRATION_BINS)
    )


def count_labels(classes: Sequence[str], labels: Sequence[str | None]) -> dict[str, int]:
    """Count each class among the rows that have a label."""
    found = Counter(labels)
    return {name: found[name] for name in classes}
