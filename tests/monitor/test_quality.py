"""Measures agree with scikit-learn, and say nothing where nothing can be said."""

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

from services.monitor.quality import quality
from shared.contract.policy import derive_policy
from tests.feedback.contracts import FLIGHTS, flights_contract

BINARY = derive_policy(flights_contract())
CLASSES = ["early", "on_time", "late"]
MULTICLASS = derive_policy(
    flights_contract(
        task="multiclass",
        label={**FLIGHTS["label"], "classes": CLASSES},
        decisions={name: dict.fromkeys(CLASSES, cost) for name, cost in (("none", "1.00"), ("act", "2.00"))},
    )
)


def test_binary_measures_agree_with_scikit_learn() -> None:
    rng = np.random.default_rng(7)
    chance, truth = rng.random(300).round(1).clip(0.05, 0.95), rng.random(300) < 0.3
    rows = pl.DataFrame({"scores": [[x] for x in chance], "label": np.where(truth, "late", "on_time")})
    measured = quality(rows, BINARY)
    assert measured["auc"] == pytest.approx(roc_auc_score(truth, chance), abs=1e-12)
    assert measured["brier"] == pytest.approx(brier_score_loss(truth, chance), abs=1e-12)
    assert measured["log_loss"] == pytest.approx(log_loss(truth, chance), abs=1e-12)


def test_certain_and_wrong_is_bad_but_finite() -> None:
    rows = pl.DataFrame({"scores": [[0.0], [1.0]], "label": ["late", "on_time"]})
    measured = quality(rows, BINARY)
    assert measured["auc"] == 0.0
    assert np.isfinite(measured["log_loss"])


def test_multiclass_counts_hits() -> None:
    rows = pl.DataFrame({"scores": [[0.7, 0.2, 0.1], [0.1, 0.2, 0.7]], "label": ["early", "on_time"]})
    measured = quality(rows, MULTICLASS)
    assert measured["accuracy"] == 0.5
    assert measured["brier"] == pytest.approx((0.09 + 0.04 + 0.01 + 0.01 + 0.64 + 0.49) / 2)


def test_no_rows_or_scores_of_another_width_say_nothing() -> None:
    rows = pl.DataFrame({"scores": [[0.5, 0.5]], "label": ["late"]})
    assert quality(rows, BINARY) == {}
    assert quality(rows.clear(), BINARY) == {}
