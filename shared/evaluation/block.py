"""PURE: what one package would have cost on the rows of a block, beside what was served there."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from shared.contract import Policy, cost_in_order, cost_minor, decide_in_order
from shared.feedback.accounting import countable

Scores = NDArray[np.float64]


@dataclass(frozen=True)
class Evaluated:
    """The measured part of `package_evaluated`; money over labelled rows, decisions over all."""

    volume: int
    labelled: int
    cost_minor: int
    cost_without_model_minor: int
    value_minor: int
    served_cost_minor: int
    decisions: dict[str, int]
    brier: float | None


def evaluate_block(rows: pl.DataFrame, scores: Scores, policy: Policy) -> Evaluated:
    """Decide all rows of a block again with capacities of their own, and price them beside what was really decided.

    `rows` are joined rows in event order (`decision`, `flagged`, `label`, `value`, `scores`, `block`), `scores` the
    package's. Both costs are over the same labelled rows, by the same costs. Who serves does not decide which cases are
    control cases: these stay as they were, and are equal on both sides of the pair.
    """
    rows = countable(rows, policy)
    flagged = (rows["flagged"].list.len().fill_null(0) > 0).to_list()
    decided = decide_in_order(policy, rows["block"].to_list(), scores, flagged, control=control_cases(rows)).decisions
    known = rows["labelled"].to_numpy()
    labelled = rows.filter("labelled")
    taken = [decision for decision, there in zip(decided, known.tolist(), strict=True) if there]
    cost = cost_of(policy, taken, scores[known], labelled)
    without = cost_of(policy, [policy.without_model] * len(taken), scores[known], labelled)
    served_scores = labelled["scores"].to_list() if policy.task == "regression" else scores[known]
    return Evaluated(
        volume=rows.height,
        labelled=labelled.height,
        cost_minor=cost,
        cost_without_model_minor=without,
        value_minor=without - cost,
        served_cost_minor=cost_of(policy, labelled["decision"].to_list(), served_scores, labelled),
        decisions=dict(sorted(Counter(decided).items())),
        brier=_brier(policy, scores[known], labelled),
    )


def control_cases(rows: pl.DataFrame) -> list[bool]:
    """Which logged rows were decided without the model, by the draw and not by what the model said."""
    return (rows["arm"] == "control").to_list()


def cost_of(
    policy: Policy, decisions: Sequence[str], scores: Scores | list[list[float]], labelled: pl.DataFrame
) -> int:
    """Realised cost of decisions on labelled rows, in minor units.

    Classes cost the same for every row, so pairs are counted; a regression pays by row, from its `scores`.
    """
    if policy.task != "regression":
        pairs = Counter(zip(decisions, labelled["label"].to_list(), strict=True))
        return sum(count * cost_minor(policy, decision, (), label) for (decision, label), count in pairs.items())
    vectors = scores.tolist() if isinstance(scores, np.ndarray) else scores
    values = labelled["value"].to_list()
    return sum(cost_in_order(policy, decisions, vectors, [None] * len(values), values))


def _brier(policy: Policy, scores: Scores, labelled: pl.DataFrame) -> float | None:
    if policy.task == "regression" or labelled.is_empty():
        return None
    places = np.array([policy.classes.index(label) for label in labelled["label"].to_list()])
    if policy.task == "binary":
        return float(np.mean((scores[:, 0] - places) ** 2))
    return float(np.mean(((scores - np.eye(len(policy.classes))[places]) ** 2).sum(axis=1)))
