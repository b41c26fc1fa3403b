"""Takes one decision: the cheapest in expectation under the cost table, within what capacity is left."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from shared.contract.policy import CONSTANT, ESTIMATE, Policy

Reason = Literal["cost", "capacity", "flagged", "control"]


class Choice(NamedTuple):
    """`expected_minor` is the expected cost without shadow price; 0.0 for regression: a single estimate has none."""

    decision: str
    reason: Reason
    expected_minor: float


def decide(
    policy: Policy, scores: Sequence[float], left: Mapping[str, int], flagged: bool = False, control: bool = False
) -> Choice:
    """Bayes choice: least expected cost plus shadow price; of equals, the first in the contract.

    `scores`: (P(positive),) for binary, P of every class for multiclass, (estimate,) for regression.
    `left`: what each capped decision has left in this block; nothing left, and the next cheapest is taken.
    `control`: decided without the model, so that the model's value can be compared; so is what is `flagged`.
    ValueError where the scores are not finite or not as many as the policy has classes.
    """
    if policy.task == "regression":
        _finite(scores, 1)
        if flagged or control:
            return Choice(CONSTANT, "flagged" if flagged else "control", 0.0)
        return Choice(ESTIMATE, "cost", 0.0)
    chances = _chances(policy, scores)
    if flagged or control:
        fallback = tuple(policy.cost_by_class[policy.without_model].values())
        return Choice(policy.without_model, "flagged" if flagged else "control", _expected(chances, fallback))
    cheapest = taken = policy.without_model
    least = least_priced = expected_taken = math.inf
    for name, costs, price, capped in policy.plan:
        expected = _expected(chances, costs)
        if expected < least:
            cheapest, least = name, expected
        if expected + price < least_priced and not (capped and left[name] <= 0):
            taken, least_priced, expected_taken = name, expected + price, expected
    return Choice(taken, "cost" if taken == cheapest else "capacity", expected_taken)


def estimate_of(policy: Policy, decision: str, scores: Sequence[float]) -> float:
    """The number a regression decided for: the estimate within the label's range, or the constant."""
    if decision == CONSTANT and policy.constant is not None:
        return policy.constant
    low, high = policy.label_range or (-math.inf, math.inf)
    return min(max(scores[0], low), high)


def _chances(policy: Policy, scores: Sequence[float]) -> Sequence[float]:
    if policy.task == "binary":
        _finite(scores, 1)
        return (1.0 - scores[0], scores[0])
    _finite(scores, len(policy.classes))
    return scores


def _finite(scores: Sequence[float], count: int) -> None:
    if len(scores) != count:
        raise ValueError(f"{count} score(s) expected, {len(scores)} given")
    for score in scores:
        # Written so that NaN fails too.
        if not -math.inf < score < math.inf:
            raise ValueError(f"score {score} is not finite")


def _expected(chances: Sequence[float], costs: Sequence[int]) -> float:
    """Summed from the first class to the last: `replay` adds columns in the same order and gets the same bits."""
    total = chances[0] * costs[0]
    for place in range(1, len(costs)):
        total += chances[place] * costs[place]
    return total
