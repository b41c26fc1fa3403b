"""What a block's decisions cost, and how good its scores are, before its labels are in. Pure.

Three numbers on one axis, the cost of all the block's decisions by the model: *estimated* from the scores alone (right
as long as they are calibrated, silent when the world changes) or corrected by audited labels; *partial*, the labels so
far scaled up; *realised*, when no more labels can come. An estimate never enters a realised sum.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from shared.contract.policy import Policy
from shared.contract.value import cost_minor
from shared.evidence import AuditSums, Interval, corrected_mean

Floats = NDArray[np.float64]
Method = Literal["scores", "scores and audited labels", "audited labels", "none"]
ASSUMPTIONS: dict[Method, str] = {
    "scores": "the scores are calibrated: of the cases with score p, a share p happens",
    "scores and audited labels": "the audited cases were drawn at random, and the labels of all of them are counted",
    "audited labels": "the audited cases were drawn at random, and the labels of all of them are counted",
    "none": "an estimate of a number says nothing about its own error; that takes audited labels",
}
# An audit of which more is still out says nothing: those that come late may be another kind of case.
LEAST_AUDIT_COVERAGE = 0.9
# A mean of fewer rows says nothing about a block.
LEAST_ROWS = 10
_Z = 1.959963984540054


@dataclass(frozen=True)
class Estimated:
    """Cost in minor units of all `volume` decisions by the model, with plain 95 % intervals; None where not known."""

    method: Method
    assumption: str
    volume: int
    audited: int
    cost_minor: int | None = None
    cost_low_minor: int | None = None
    cost_high_minor: int | None = None
    partial_minor: int | None = None
    realised_minor: int | None = None
    brier: float | None = None
    brier_low: float | None = None
    brier_high: float | None = None


@dataclass(frozen=True)
class Expected:
    """What scores expect of each row [rows], and what happened where that is known; NaN elsewhere."""

    cost: Floats
    variance: Floats
    realised_cost: Floats
    brier: Floats
    brier_variance: Floats
    realised_brier: Floats
    audited: NDArray[np.bool_]

    def cost_gap(self, *, audited_only: bool) -> float | None:
        """Return how much more a labelled row cost than its scores expected, minor units; None with too few rows."""
        gaps = (self.realised_cost - self.cost)[self.audited] if audited_only else self.realised_cost - self.cost
        known = gaps[np.isfinite(gaps)]
        return float(known.mean()) if len(known) >= LEAST_ROWS else None


def estimate(rows: pl.DataFrame, policy: Policy, *, ended: bool) -> Estimated | None:
    """Return the estimate for the countable rows of a block; None where the model decided nothing.

    `rows`: scores, decision, arm, labelled, label, value. Cases of the control arm are decided without the model and
    are not in it. `ended`: no more labels will come.
    """
    rows = rows.filter(pl.col("arm") != "control")
    found = expected_of(rows, policy)
    in_audit = int(found.audited.sum())
    audited = found.audited & np.isfinite(found.realised_cost)
    complete = int(audited.sum()) >= LEAST_AUDIT_COVERAGE * in_audit
    sampled = audited if complete else np.zeros_like(audited)
    volume, known = len(audited), found.realised_cost[np.isfinite(found.realised_cost)]
    if not volume:
        return None
    cost, method = _cost(found, sampled)
    partial = round(float(known.mean()) * volume) if len(known) else None
    money = [round(one * volume) for one in cost] if cost else [None] * 3
    brier = _brier(found, sampled)
    return Estimated(
        method=method,
        assumption=ASSUMPTIONS[method],
        volume=volume,
        audited=int(sampled.sum()),
        cost_minor=money[0],
        cost_low_minor=money[1],
        cost_high_minor=money[2],
        partial_minor=partial,
        realised_minor=partial if ended and len(known) == volume else None,
        brier=brier[0],
        brier_low=brier[1],
        brier_high=brier[2],
    )


def _cost(found: Expected, sampled: NDArray[np.bool_]) -> tuple[Interval | None, Method]:
    scored = bool(np.isfinite(found.cost).all())
    expected, variance = (found.cost, found.variance) if scored else (np.zeros_like(found.cost), None)
    if corrected := corrected_mean(AuditSums.of(expected, found.realised_cost, sampled, variance)):
        return corrected, "scores and audited labels" if scored else "audited labels"
    if not scored:
        return None, "none"
    mean = float(found.cost.mean())
    half = _Z * float(np.sqrt(found.variance.sum())) / len(found.cost)
    return Interval(mean, mean - half, mean + half), "scores"


def _brier(found: Expected, sampled: NDArray[np.bool_]) -> tuple[float | None, float | None, float | None]:
    if not np.isfinite(found.brier).all():
        return None, None, None
    if corrected := corrected_mean(AuditSums.of(found.brier, found.realised_brier, sampled, found.brier_variance)):
        return corrected.mean, max(corrected.low, 0.0), corrected.high
    return float(found.brier.mean()), None, None


def expected_of(rows: pl.DataFrame, policy: Policy) -> Expected:
    """Return the expectations of countable rows; NaN for a regression. Rows without usable scores are left out."""
    if policy.task == "regression":
        return _of_regression(rows, policy)
    chances = chances_of(rows["scores"].to_list(), policy)
    decisions = {rule.name: place for place, rule in enumerate(policy.rules)}
    taken = np.array([decisions.get(decision, -1) for decision in rows["decision"]], dtype=np.int64)
    usable: NDArray[np.bool_] = np.asarray(np.isfinite(chances).all(axis=1) & (taken >= 0))
    chances, taken = chances[usable], taken[usable]
    places = {label: place for place, label in enumerate(policy.classes)}
    happened = np.array([places.get(label, -1) for label in rows["label"].to_list()], dtype=np.int64)[usable]
    seen = rows["labelled"].to_numpy()[usable] & (happened >= 0)
    costs = np.array([rule.costs for rule in policy.rules], dtype=np.float64)[taken]
    truth = np.eye(len(policy.classes))[happened]
    cost = (chances * costs).sum(axis=1)
    # Of two classes only the positive one is scored: half of the sum over both.
    share = 0.5 if policy.task == "binary" else 1.0
    # The score of a row if class k happens is |chances|² - 2·chance_k + 1.
    by_class = share * ((chances**2).sum(axis=1, keepdims=True) - 2 * chances + 1)
    brier = share * (chances * (1 - chances)).sum(axis=1)
    return Expected(
        cost=cost,
        variance=(chances * costs**2).sum(axis=1) - cost**2,
        realised_cost=np.where(seen, (costs * truth).sum(axis=1), np.nan),
        brier=brier,
        brier_variance=(chances * by_class**2).sum(axis=1) - brier**2,
        realised_brier=np.where(seen, (by_class * truth).sum(axis=1), np.nan),
        audited=(rows["arm"] == "audit").to_numpy()[usable],
    )


def _of_regression(rows: pl.DataFrame, policy: Policy) -> Expected:
    columns = (rows[name].to_list() for name in ("decision", "scores", "value", "labelled"))
    realised = [
        float(cost_minor(policy, decision, scores, None, value)) if labelled else np.nan
        for decision, scores, value, labelled in zip(*columns, strict=True)
    ]
    nothing = np.full(rows.height, np.nan)
    audited = (rows["arm"] == "audit").to_numpy()
    return Expected(nothing, nothing, np.array(realised, dtype=np.float64), nothing, nothing, nothing, audited)


def chances_of(scores: list[list[float] | None], policy: Policy) -> Floats:
    """Return the chance of each class, [rows, classes]; NaN for a row whose scores are no such chances."""
    width = 1 if policy.task == "binary" else len(policy.classes)
    missing = [np.nan] * width
    table = np.array([one if one is not None and len(one) == width else missing for one in scores], dtype=np.float64)
    table = table.reshape(len(scores), width)
    return np.column_stack([1 - table[:, 0], table[:, 0]]) if policy.task == "binary" else table
