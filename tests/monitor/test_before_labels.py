"""Estimated, partial and realised cost stand on one axis, each with what it rests on; awkward blocks are answered."""

import numpy as np
import polars as pl
import pytest

from services.monitor.before_labels import estimate, expected_of
from shared.contract.policy import Policy, derive_policy
from shared.feedback.accounting import countable
from tests.feedback.contracts import arrival_contract, flights_contract

POLICY = derive_policy(flights_contract())
COSTS = POLICY.cost_by_class


def block(
    scores: list[list[float]] | list[None],
    decisions: list[str],
    labels: list[str | None],
    arms: list[str] | None = None,
    policy: Policy = POLICY,
    values: list[float | None] | None = None,
) -> pl.DataFrame:
    rows = pl.DataFrame(
        {
            "scores": scores,
            "decision": decisions,
            "label": labels,
            "value": values or [None] * len(labels),
            "arm": arms or ["model"] * len(labels),
        },
        schema={
            "scores": pl.List(pl.Float64),
            "decision": pl.String,
            "label": pl.String,
            "value": pl.Float64,
            "arm": pl.String,
        },
    )
    return countable(rows, policy)


def drifted(seed: int, rows: int, bias: float, audit: float) -> tuple[pl.DataFrame, pl.DataFrame]:
    """A block of which only audited labels are in, and the same block with all of them."""
    random = np.random.default_rng(seed)
    p = random.beta(1, 3, rows)
    late = random.random(rows) < np.clip(p + bias, 0, 1)
    labels = ["late" if one else "on_time" for one in late]
    arms = ["audit" if one else "model" for one in random.random(rows) < audit]
    seen = [label if arm == "audit" else None for label, arm in zip(labels, arms, strict=True)]
    scores, decisions = [[one] for one in p], ["act" if one > 0.3 else "none" for one in p]
    return block(scores, decisions, seen, arms), block(scores, decisions, list(labels), arms)


def test_scores_alone_expect_what_calibrated_rows_cost_and_name_what_they_assume() -> None:
    found = estimate(block([[0.25]] * 4, ["none"] * 4, [None] * 4), POLICY, ended=False)
    assert found is not None
    assert (found.method, found.volume, found.audited) == ("scores", 4, 0)
    assert found.cost_minor == COSTS["none"]["late"]
    assert found.cost_low_minor is not None
    assert found.cost_low_minor < found.cost_minor
    assert found.brier == pytest.approx(0.25 * 0.75)
    assert "calibrated" in found.assumption
    assert (found.partial_minor, found.realised_minor, found.brier_low) == (None, None, None)


def test_labels_so_far_are_scaled_up_and_all_of_them_are_the_realised_cost() -> None:
    half = estimate(block([[0.5]] * 2, ["none"] * 2, ["late", None]), POLICY, ended=False)
    assert half is not None
    assert (half.partial_minor, half.realised_minor) == (2 * COSTS["none"]["late"], None)
    rows = block([[0.5]] * 2, ["none"] * 2, ["late", "on_time"])
    late = estimate(rows, POLICY, ended=True)
    assert late is not None
    assert late.realised_minor == COSTS["none"]["late"] + COSTS["none"]["on_time"]
    early = estimate(rows, POLICY, ended=False)
    assert early is not None
    assert early.realised_minor is None


def test_audited_labels_bring_the_estimate_to_what_really_happened() -> None:
    missed, plain, held = [], [], 0
    for seed in range(60):
        early, whole = drifted(seed, rows=2_000, bias=0.2, audit=0.1)
        found, truth = estimate(early, POLICY, ended=False), estimate(whole, POLICY, ended=True)
        alone = estimate(early.with_columns(arm=pl.lit("model")), POLICY, ended=False)
        assert found is not None
        assert truth is not None
        assert alone is not None
        assert found.method == "scores and audited labels"
        assert found.cost_minor is not None
        assert found.cost_low_minor is not None
        assert found.cost_high_minor is not None
        assert alone.cost_minor is not None
        assert truth.realised_minor is not None
        missed.append(abs(found.cost_minor - truth.realised_minor))
        plain.append(abs(alone.cost_minor - truth.realised_minor))
        held += found.cost_low_minor <= truth.realised_minor <= found.cost_high_minor
    assert np.mean(missed) < 0.4 * np.mean(plain)
    assert held >= 51


def test_an_audit_that_is_mostly_still_out_corrects_nothing() -> None:
    early, _ = drifted(0, rows=2_000, bias=0.2, audit=0.1)
    some = early.with_row_index().with_columns(
        labelled=pl.when(pl.col("index") < 1_000).then(pl.col("labelled")).otherwise(statement=False)
    )
    found = estimate(some, POLICY, ended=False)
    assert found is not None
    assert (found.method, found.audited) == ("scores", 0)


def test_cases_of_the_control_arm_are_left_out() -> None:
    arms = ["control", "model"]
    found = estimate(block([[0.5]] * 2, ["none", "act"], [None] * 2, arms), POLICY, ended=False)
    assert found is not None
    assert found.volume == 1
    assert estimate(block([[0.5]], ["none"], [None], ["control"]), POLICY, ended=False) is None


def test_an_empty_block_and_one_without_usable_scores_have_no_estimate() -> None:
    assert estimate(block([], [], []), POLICY, ended=True) is None
    assert estimate(block([None], ["none"], ["late"]), POLICY, ended=True) is None
    odd = block([[0.1, 0.2], [0.5], [0.5]], ["none", "gone", "none"], [None] * 3)
    found = estimate(odd, POLICY, ended=False)
    assert found is not None
    assert found.volume == 1


def test_an_estimate_of_a_number_knows_its_cost_from_audited_labels_only() -> None:
    policy = derive_policy(arrival_contract())
    few = block([[10.0]] * 2, ["estimate"] * 2, [None] * 2, policy=policy, values=[12.0, None])
    found = estimate(few, policy, ended=False)
    assert found is not None
    assert (found.method, found.cost_minor, found.brier) == ("none", None, None)
    assert found.partial_minor is not None
    many = block(
        [[10.0]] * 60, ["estimate"] * 60, [None] * 60, ["audit"] * 30 + ["model"] * 30, policy,
        [12.0] * 30 + [None] * 30,
    )  # fmt: skip
    audited = estimate(many, policy, ended=False)
    assert audited is not None
    assert (audited.method, audited.cost_minor) == ("audited labels", 30 * found.partial_minor)


def test_the_gap_is_what_labelled_rows_cost_more_than_expected() -> None:
    rows = block([[0.0]] * 20, ["none"] * 20, ["late"] * 20)
    assert expected_of(rows, POLICY).cost_gap(audited_only=False) == COSTS["none"]["late"] - COSTS["none"]["on_time"]
    assert expected_of(rows, POLICY).cost_gap(audited_only=True) is None
    assert expected_of(rows.head(9), POLICY).cost_gap(audited_only=False) is None
