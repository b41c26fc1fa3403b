"""PURE: how well a package scores out-of-sample rows, and what the best constant would have cost on them."""

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from shared.contract import CONSTANT, Policy, cost_minor
from shared.evaluation.out_of_sample import Row, by_block, cost_of_row, is_known, labelled, share_of, with_changes


def best_constant(policy: Policy, rows: Sequence[Row]) -> tuple[str, Fraction]:
    """The best that one decision for everybody would have cost, chosen in hindsight: (its name, minor units).

    A decision with a capacity gets its cap's first cases of each block, the rest is decided without a model. For a
    regression it is the best constant estimate: the quantile under / (under + over) of the outcomes.
    """
    if policy.task == "regression":
        return _best_estimate(policy, rows)
    costs = {rule.name: _constant_cost(policy, rule.name, rows) for rule in policy.rules}
    name = min(costs, key=lambda each: costs[each])
    return f"always {name}", costs[name]


def quality(policy: Policy, rows: Sequence[Row]) -> dict[str, float]:
    """auc and brier, or mae and rmse, over the labelled rows; what cannot be judged is left out."""
    known = labelled(policy, rows)
    if not known:
        return {}
    sizes = {block: len(members) for block, members in by_block(rows).items()}
    weights = np.array([row.volume / sizes[row.block] for row in known])
    scores = np.array([row.scores for row in known])
    if policy.task == "regression":
        missed = scores[:, 0] - np.array([row.value for row in known], dtype=np.float64)
        mean_square = float(np.average(missed**2, weights=weights))
        return {"mae": float(np.average(np.abs(missed), weights=weights)), "rmse": mean_square**0.5}
    truth = np.array([[row.label == name for name in policy.classes] for row in known], dtype=np.float64)
    if policy.task == "binary":
        scores, truth = scores[:, :1], truth[:, 1:]
    brier = float(np.average(((scores - truth) ** 2).sum(axis=1), weights=weights))
    return {"brier": brier, **_auc(truth, scores, weights)}


def _auc(truth: NDArray[np.float64], scores: NDArray[np.float64], weights: NDArray[np.float64]) -> dict[str, float]:
    """One class against the rest, averaged; a class that never or always happened cannot be ranked."""
    columns = [column for column in range(truth.shape[1]) if 0 < truth[:, column].sum() < len(truth)]
    if len(columns) < truth.shape[1]:
        return {}
    areas = [roc_auc_score(truth[:, column], scores[:, column], sample_weight=weights) for column in columns]
    return {"auc": float(np.mean(areas))}


def _constant_cost(policy: Policy, decision: str, rows: Sequence[Row]) -> Fraction:
    total = Fraction(0)
    limit = policy.limits.get(decision)
    for block in by_block(rows).values():
        left = len(block) if limit is None else share_of(limit, block)
        weight = Fraction(block[0].volume, len(block))
        total += weight * sum(
            cost_of_row(policy, decision if place < left else policy.without_model, row)
            for place, row in enumerate(block)
            if is_known(policy, row)
        )
    return total


def _best_estimate(policy: Policy, rows: Sequence[Row]) -> tuple[str, Fraction]:
    known = labelled(policy, rows)
    under, over = policy.rules[0].costs
    ordered = sorted(row.value for row in known if row.value is not None)
    place = min(len(ordered) - 1, under * len(ordered) // max(under + over, 1)) if ordered else 0
    constant = ordered[place] if ordered else 0.0
    fixed = with_changes(policy, constant=constant)
    sizes = {block: len(members) for block, members in by_block(rows).items()}
    total = sum(
        (
            Fraction(row.volume, sizes[row.block]) * cost_minor(fixed, CONSTANT, row.scores, row.label, row.value)
            for row in known
        ),
        Fraction(0),
    )
    return f"always {constant:g}", total
