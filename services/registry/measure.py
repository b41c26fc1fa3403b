"""PURE: what a package would have decided, cost and scored on out-of-sample rows, in event order."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from shared.contract import CONSTANT, Policy, cost_minor, decide_in_order, outcome_problem


class Row(Protocol):
    """A scored row of a package's reference; `volume` is the true size of its block, of which rows are a sample."""

    @property
    def block(self) -> str: ...
    @property
    def scores(self) -> tuple[float, ...]: ...
    @property
    def flagged(self) -> bool: ...
    @property
    def label(self) -> str | None: ...
    @property
    def value(self) -> float | None: ...
    @property
    def volume(self) -> int: ...


@dataclass(frozen=True)
class Money:
    """Minor units over all blocks, each block scaled to its true volume; exact, hence fractions."""

    blocks: int
    volume: int
    labelled: int
    decisions: Mapping[str, Fraction]
    cost: Fraction
    cost_without_model: Fraction

    @property
    def value(self) -> Fraction:
        """What the decisions earned against deciding without a model."""
        return self.cost_without_model - self.cost


def labelled(policy: Policy, rows: Iterable[Row]) -> list[Row]:
    """The rows whose outcome is known and possible."""
    return [row for row in rows if _is_known(policy, row)]


def count_money(policy: Policy, rows: Sequence[Row]) -> Money:
    """Decide the rows again, in the order given, with a capacity ledger of their own; count the labelled ones."""
    decisions: dict[str, Fraction] = {}
    cost = without = Fraction(0)
    known = volume = 0
    blocks = _by_block(rows)
    for block in blocks.values():
        weight = Fraction(block[0].volume, len(block))
        chosen = decide_in_order(
            _sampled(policy, block),
            [row.block for row in block],
            [row.scores for row in block],
            [row.flagged for row in block],
        ).decisions
        for decision, count in Counter(chosen).items():
            decisions[decision] = decisions.get(decision, Fraction(0)) + weight * count
        told = [pair for pair in zip(chosen, block, strict=True) if _is_known(policy, pair[1])]
        known += len(told)
        cost += weight * sum(_cost(policy, decision, row) for decision, row in told)
        without += weight * sum(_cost(policy, policy.without_model, row) for _, row in told)
        volume += block[0].volume
    counted = {name: decisions[name] for name in policy.decisions if decisions.get(name)}
    return Money(len(blocks), volume, known, counted, cost, without)


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
    sizes = {block: len(members) for block, members in _by_block(rows).items()}
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


def _is_known(policy: Policy, row: Row) -> bool:
    return outcome_problem(policy, row.label, row.value) is None


def _cost(policy: Policy, decision: str, row: Row) -> int:
    return cost_minor(policy, decision, row.scores, row.label, row.value)


def _by_block(rows: Iterable[Row]) -> dict[str, list[Row]]:
    blocks: dict[str, list[Row]] = {}
    for row in rows:
        blocks.setdefault(row.block, []).append(row)
    return blocks


def _sampled(policy: Policy, block: Sequence[Row]) -> Policy:
    """A sample of a block may use the sample's share of each capacity."""
    if len(block) == block[0].volume or not policy.limits:
        return policy
    rules = tuple(
        rule if rule.capacity is None else rule.model_copy(update={"capacity": _share(rule.capacity, block)})
        for rule in policy.rules
    )
    return _with(policy, rules=rules)


def _with(policy: Policy, **changes: Any) -> Policy:
    """Built anew: a copy would keep the cached limits of the original."""
    return Policy(**{name: getattr(policy, name) for name in Policy.model_fields} | changes)


def _share(limit: int, block: Sequence[Row]) -> int:
    return limit * len(block) // block[0].volume


def _constant_cost(policy: Policy, decision: str, rows: Sequence[Row]) -> Fraction:
    total = Fraction(0)
    limit = policy.limits.get(decision)
    for block in _by_block(rows).values():
        left = len(block) if limit is None else _share(limit, block)
        weight = Fraction(block[0].volume, len(block))
        total += weight * sum(
            _cost(policy, decision if place < left else policy.without_model, row)
            for place, row in enumerate(block)
            if _is_known(policy, row)
        )
    return total


def _best_estimate(policy: Policy, rows: Sequence[Row]) -> tuple[str, Fraction]:
    known = labelled(policy, rows)
    under, over = policy.rules[0].costs
    ordered = sorted(row.value for row in known if row.value is not None)
    place = min(len(ordered) - 1, under * len(ordered) // max(under + over, 1)) if ordered else 0
    constant = ordered[place] if ordered else 0.0
    fixed = _with(policy, constant=constant)
    sizes = {block: len(members) for block, members in _by_block(rows).items()}
    total = sum(
        (
            Fraction(row.volume, sizes[row.block]) * cost_minor(fixed, CONSTANT, row.scores, row.label, row.value)
            for row in known
        ),
        Fraction(0),
    )
    return f"always {constant:g}", total
