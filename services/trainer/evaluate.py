"""PURE: what a model is worth on its held-out days, in money beside the field's usual numbers."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score, brier_score_loss, log_loss, roc_auc_score

from services.trainer.rows import Rows
from shared.contract import Contract, Policy, cost_in_order, decide_in_order

Scores = NDArray[np.float64]


def evaluate(contract: Contract, policy: Policy, rows: Rows, scores: Scores) -> dict[str, float]:
    """Return quality, cost per labelled case and value per held-out day, money in minor units."""
    known = rows.labelled
    found = {
        "holdout_days": float(len(set(rows.blocks))),
        "holdout_rows": float(len(rows)),
        "holdout_labelled": float(known.sum()),
        "flagged_share": float(rows.flagged.mean()),
    }
    if known.any():
        labelled = rows.take(known)
        found |= quality(contract, labelled, scores[known])
    return found | worth(policy, rows, scores)


def quality(contract: Contract, rows: Rows, scores: Scores) -> dict[str, float]:
    """Binary: AUC, Brier, log loss; multiclass: accuracy, log loss; regression: MAE, RMSE. All rows are labelled."""
    if contract.task == "regression":
        error = scores[:, 0] - rows.values
        return {"mae": float(np.abs(error).mean()), "rmse": float(np.sqrt((error**2).mean()))}
    truth = np.array([contract.classes.index(label) for label in rows.labels.tolist()])
    chances = np.column_stack([1 - scores[:, 0], scores[:, 0]]) if contract.task == "binary" else scores
    found = {"log_loss": float(log_loss(truth, chances, labels=range(len(contract.classes))))}
    if contract.task == "multiclass":
        return found | {"accuracy": float(accuracy_score(truth, np.argmax(chances, axis=1)))}
    found["brier"] = float(brier_score_loss(truth, scores[:, 0]))
    if len(set(truth.tolist())) == 2:
        found["auc"] = float(roc_auc_score(truth, scores[:, 0]))
    return found


def worth(policy: Policy, rows: Rows, scores: Scores) -> dict[str, float]:
    """Decide the rows in event order with a capacity ledger of their own, and compare with no model at all."""
    blocks, known, days = rows.blocks.tolist(), rows.labelled, max(1, len(set(rows.blocks)))
    decisions = decide_in_order(policy, blocks, scores, rows.flagged.tolist()).decisions
    found = {f"per_day.{name}": decisions.count(name) / days for name in policy.decisions}
    if not known.any():
        return found
    vectors = scores[known].tolist()
    labels, values = rows.labels[known].tolist(), rows.values[known].tolist()
    taken = [decision for decision, there in zip(decisions, known.tolist(), strict=True) if there]
    cost = sum(cost_in_order(policy, taken, vectors, labels, values))
    without = sum(cost_in_order(policy, [policy.without_model] * len(taken), vectors, labels, values))
    return found | {
        "cost_per_case_minor": cost / len(taken),
        "cost_without_model_per_case_minor": without / len(taken),
        "value_per_day_minor": (without - cost) / days,
    }


def demand_of_blocks(policy: Policy, rows: Rows, scores: Scores) -> Mapping[str, dict[str, int]]:
    """Return how often each decision is wanted in each block before any cap."""
    uncapped = policy.model_copy(update={"rules": tuple(r.model_copy(update={"capacity": None}) for r in policy.rules)})
    decisions = decide_in_order(uncapped, rows.blocks.tolist(), scores, rows.flagged.tolist()).decisions
    found: dict[str, dict[str, int]] = {}
    for block, decision in zip(rows.blocks.tolist(), decisions, strict=True):
        counts = found.setdefault(block, dict.fromkeys(policy.decisions, 0))
        counts[decision] += 1
    return found
