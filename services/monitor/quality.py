"""How good the scores of labelled rows were: AUC, Brier, log loss, accuracy, or the error of an estimate. Pure."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from shared.contract.decide import estimate_of
from shared.contract.policy import ESTIMATE, Policy

Floats = NDArray[np.float64]
_CERTAIN = 1e-15


def quality(labelled: pl.DataFrame, policy: Policy) -> dict[str, float]:
    """Measures over labelled rows (columns scores, label, value); {} where nothing can be said."""
    width = 1 if policy.task in ("binary", "regression") else len(policy.classes)
    labelled = labelled.filter(pl.col("scores").list.len() == width)
    if labelled.is_empty():
        return {}
    scores = np.array(labelled["scores"].to_list(), dtype=np.float64)
    match policy.task:
        case "binary":
            return _binary(scores[:, 0], (labelled["label"] == policy.classes[-1]).to_numpy())
        case "multiclass":
            places = [policy.classes.index(label) for label in labelled["label"]]
            return _multiclass(scores, np.array(places))
        case "regression":
            estimates = np.array([estimate_of(policy, ESTIMATE, row) for row in scores.tolist()])
            return _regression(estimates - labelled["value"].to_numpy())


def _binary(chance: Floats, positive: NDArray[np.bool_]) -> dict[str, float]:
    happened = np.where(positive, chance, 1.0 - chance)
    measures = {
        "brier": float(np.mean((chance - positive) ** 2)),
        "log_loss": float(-np.mean(np.log(np.clip(happened, _CERTAIN, 1.0)))),
    }
    area = auc(chance, positive)
    return measures if area is None else {"auc": area, **measures}


def auc(scores: Floats, positive: NDArray[np.bool_]) -> float | None:
    """P(a positive scores above a negative), ties count half; None unless both classes are there.

    >>> auc(np.array([0.1, 0.4, 0.4, 0.8]), np.array([False, False, True, True]))
    0.875
    """
    positives = int(positive.sum())
    negatives = len(positive) - positives
    if not positives or not negatives:
        return None
    # Mann and Whitney: the rank sum of the positives, with mean ranks for ties.
    ranks = pl.Series(scores).rank("average").to_numpy()
    return float((ranks[positive].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def _multiclass(scores: Floats, places: NDArray[np.int64]) -> dict[str, float]:
    truth = np.eye(scores.shape[1])[places]
    happened = scores[np.arange(len(places)), places]
    return {
        "accuracy": float(np.mean(scores.argmax(axis=1) == places)),
        "brier": float(np.mean(((scores - truth) ** 2).sum(axis=1))),
        "log_loss": float(-np.mean(np.log(np.clip(happened, _CERTAIN, 1.0)))),
    }


def _regression(error: Floats) -> dict[str, float]:
    return {"mae": float(np.mean(np.abs(error))), "rmse": float(np.sqrt(np.mean(error**2)))}
