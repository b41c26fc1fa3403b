"""PURE: a block's labelled rows priced, and its totals by arm: what estimates of value are made of."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NamedTuple

import polars as pl

from shared.contract import Contract, Policy, cost_minor


class Priced(NamedTuple):
    """So many rows that cost the same, with what they would have cost without a model, in minor units each."""

    rows: int
    cost: int
    without: int


@dataclass(frozen=True)
class ArmTotals:
    """One arm of one block: money in minor units over its labelled rows; variances per row, with n - 1."""

    cases: int
    labelled: int
    cost_minor: int
    cost_without_model_minor: int
    cost_variance: float
    value_variance: float


def priced(labelled: pl.DataFrame, policy: Policy) -> list[Priced]:
    """Price labelled rows. Classes cost the same for every row, so pairs are counted; a regression pays by row."""
    pairs: list[tuple[str, list[float], str | None, float | None, int]]
    if policy.task != "regression":
        groups: Iterable[tuple[Any, ...]] = labelled.group_by("decision", "label").len().iter_rows()
        pairs = [(decision, [], label, None, count) for decision, label, count in groups]
    else:
        columns = labelled.select("decision", "scores", "value").iter_rows()
        pairs = [(decision, scores, None, value, 1) for decision, scores, value in columns]
    return [
        Priced(
            count,
            cost_minor(policy, decision, scores, label, value),
            cost_minor(policy, policy.without_model, scores, label, value),
        )
        for decision, scores, label, value, count in pairs
    ]


def arm_totals(rows: pl.DataFrame, contract: Contract, policy: Policy) -> dict[str, ArmTotals]:
    """The arms of a block's rows (with `labelled`, see `countable`); {} where nothing was drawn that tells something.

    Flagged rows are decided alike in every arm and are in none. `control`: decided without the model. `model`: decided
    by it, and its label shows by itself. `hidden`, where only some decisions show a label: decided by the model,
    without a label but for those that an audit labelled; only these count as labelled, since they alone are a sample.
    """
    if not contract.control_share and not (contract.audit_share and contract.label.selected):
        return {}
    seen_after = contract.label.observed_when
    shown = pl.lit(value=True) if seen_after == "always" else pl.col("decision").is_in(list(seen_after))
    control, audited = pl.col("arm") == "control", pl.col("arm") == "audit"
    drawn = rows.filter(pl.col("flagged").list.len().fill_null(0) == 0)
    parts = {
        "control": (control, shown),
        "model": (~control & shown, pl.lit(value=True)),
        "hidden": (~control & ~shown, audited),
    }
    found = {}
    for name, (among, sampled) in parts.items():
        part = drawn.filter(among)
        if part.height:
            found[name] = _totals(part.height, priced(part.filter(sampled & pl.col("labelled")), policy))
    return found


def _totals(cases: int, rows: Sequence[Priced]) -> ArmTotals:
    return ArmTotals(
        cases=cases,
        labelled=sum(row.rows for row in rows),
        cost_minor=sum(row.rows * row.cost for row in rows),
        cost_without_model_minor=sum(row.rows * row.without for row in rows),
        cost_variance=_variance([(row.rows, row.cost) for row in rows]),
        value_variance=_variance([(row.rows, row.without - row.cost) for row in rows]),
    )


def _variance(amounts: Sequence[tuple[int, int]]) -> float:
    """Exact until the last step, so that no machine's summing order shows."""
    count, total = sum(n for n, _ in amounts), sum(n * amount for n, amount in amounts)
    if count < 2:
        return 0.0
    squares = sum(n * amount * amount for n, amount in amounts)
    return float((squares - Fraction(total * total, count)) / (count - 1))
