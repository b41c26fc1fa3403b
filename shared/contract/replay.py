"""Decides rows again in event order, with a capacity ledger of its own: for gates, forecasts and candidates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.contract.capacity import CapacityCount
from shared.contract.decide import Reason
from shared.contract.policy import CONSTANT, ESTIMATE, Policy
from shared.contract.shadow_price import expected_costs
from shared.contract.value import cost_minor


@dataclass(frozen=True)
class Replayed:
    """One entry per row, in the order given; `places` are places in the capacity ledger."""

    decisions: list[str]
    reasons: list[Reason]
    places: list[int | None]


def decide_in_order(
    policy: Policy,
    blocks: Sequence[str],
    scores: Sequence[Sequence[float]] | NDArray[np.float64],
    flagged: Sequence[bool] | None = None,
    ledger: CapacityCount | None = None,
) -> Replayed:
    """What `decide` would say row after row; the rows must come sorted by (event time, prediction id).

    Every block starts with its full capacity, unless a `ledger` says what is taken already; then what these rows take
    is counted there. ValueError where columns differ in length or scores are not finite.
    """
    table = np.asarray(scores, dtype=np.float64)
    out = np.zeros(len(blocks), dtype=bool) if flagged is None else np.asarray(flagged, dtype=bool)
    if not blocks:
        return Replayed([], [], [])
    width = 1 if policy.task in ("binary", "regression") else len(policy.classes)
    if table.shape != (len(blocks), width) or len(out) != len(blocks):
        raise ValueError(f"{len(blocks)} blocks, {len(out)} flags and scores of shape {table.shape} do not fit")
    if not np.isfinite(table).all():
        raise ValueError("scores must be finite")
    if policy.task == "regression":
        decisions = [CONSTANT if bad else ESTIMATE for bad in out.tolist()]
        return Replayed(decisions, ["flagged" if bad else "cost" for bad in out.tolist()], [None] * len(blocks))
    if ledger is None:
        return _classify(policy, blocks, table, out, CapacityCount(policy.limits))
    ledger = ledger.under(policy.limits)
    decided = _classify(policy, blocks, table, out, ledger)
    for block, decision in zip(blocks, decided.decisions, strict=True):
        ledger.note(block, decision)
    return decided


def _classify(
    policy: Policy,
    blocks: Sequence[str],
    scores: NDArray[np.float64],
    flagged: NDArray[np.bool_],
    ledger: CapacityCount,
) -> Replayed:
    names = [rule.name for rule in policy.rules]
    expected = expected_costs([rule.costs for rule in policy.rules], scores)
    priced = expected + np.array([rule.shadow_price for rule in policy.rules])
    cheapest = np.argmin(expected, axis=1)
    taken = np.argmin(priced, axis=1)
    places: list[int | None] = [None] * len(blocks)
    capped = np.array([rule.capacity is not None for rule in policy.rules])
    for row in np.flatnonzero(capped[taken] & ~flagged).tolist():
        left = ledger.left(blocks[row])
        if left[names[taken[row]]] <= 0:
            free = [left.get(name, 1) > 0 for name in names]
            taken[row] = np.argmin(np.where(free, priced[row], np.inf))
        places[row] = ledger.take(blocks[row], names[taken[row]])
    moved = taken != cheapest
    taken[flagged] = names.index(policy.without_model)
    reasons: list[Reason] = [
        "flagged" if bad else "capacity" if other else "cost"
        for bad, other in zip(flagged.tolist(), moved.tolist(), strict=True)
    ]
    return Replayed([names[place] for place in taken.tolist()], reasons, places)


def cost_in_order(
    policy: Policy,
    decisions: Sequence[str],
    scores: Sequence[Sequence[float]],
    labels: Sequence[str | None],
    values: Sequence[float | None],
) -> list[int]:
    """Realised cost of each row in minor units."""
    rows = zip(decisions, scores, labels, values, strict=True)
    return [cost_minor(policy, decision, score, label, value) for decision, score, label, value in rows]
