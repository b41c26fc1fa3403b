"""Estimates of value: right on average, exact where everything is known, and silent where nothing was drawn."""

import numpy as np
import polars as pl
import pytest

from shared.contract import Contract, derive_policy
from shared.evaluation.arms import ArmTotals, arm_totals
from shared.evaluation.estimates import (
    ENOUGH,
    HIDDEN,
    NOT_CAUSAL,
    Estimate,
    NotEstimated,
    Sampled,
    causal_value,
    value_of_all,
)
from shared.feedback.accounting import countable
from tests.feedback.contracts import FLIGHTS, arrival_contract, flights_contract

EVERYWHERE = flights_contract(control_share=0.1)
SELECTED = flights_contract(
    control_share=0.1, audit_share=0.2, label={**FLIGHTS["label"], "observed_when": ["none", "review"]}
)


def rows(random: np.random.Generator, count: int, chance: float) -> pl.DataFrame:
    """Cases that are late by `chance`, decided by a model that is often right; every label is in the last column."""
    late = random.random(count) < chance
    said = np.where(random.random(count) < 0.8, late, ~late)
    arms = random.choice(["control", "audit", "model"], count, p=[0.1, 0.2, 0.7])
    decided = np.where(said & (arms != "control"), "act", "none")
    truth = np.where(late, "late", "on_time")
    return pl.DataFrame(
        {"arm": arms, "decision": decided, "label": truth, "truth": truth, "scores": [[0.5]] * count},
    ).with_columns(flagged=pl.lit([], dtype=pl.List(pl.String)))


def hide(frame: pl.DataFrame) -> pl.DataFrame:
    """Take away the labels that a decision to act never shows, but for the audited."""
    seen = (pl.col("decision") != "act") | (pl.col("arm") == "audit")
    return frame.with_columns(label=pl.when(seen).then("label"))


def sampled(frame: pl.DataFrame, contract: Contract, block: str = "2013-03-01") -> Sampled:
    """The arms of a block."""
    policy = derive_policy(contract)
    return Sampled(block, contract.digest, arm_totals(countable(frame, policy), contract, policy))


def earned(frame: pl.DataFrame) -> int:
    """What the model earned on its cases, from all labels: 5.00 saved for a late one, 1.00 spent for another."""
    acted = frame.filter(pl.col("arm") != "control", pl.col("decision") == "act")
    late = acted.filter(pl.col("truth") == "late").height
    return 500 * late - 100 * (acted.height) + 100 * late


def test_nothing_drawn_means_no_estimate_and_says_not_causal() -> None:
    frame = rows(np.random.default_rng(0), 200, 0.3)
    plain = sampled(frame, flights_contract())
    assert plain.arms == {}
    assert causal_value([plain]) == NotEstimated(NOT_CAUSAL)


def test_the_causal_estimate_covers_what_all_labels_say_about_as_often_as_it_promises() -> None:
    random, hits, errors = np.random.default_rng(1), 0, []
    for _ in range(300):
        frames = [rows(random, 400, chance) for chance in (0.1, 0.5, 0.3)]
        found = causal_value([sampled(one, EVERYWHERE, f"2013-03-0{day}") for day, one in enumerate(frames, 1)])
        assert isinstance(found, Estimate)
        truth = sum(map(earned, frames))
        hits += found.low <= truth <= found.high
        errors.append((found.minor - truth) / (found.high - found.low))
    # 95 % promised: 285 of 300 expected, 4 standard deviations are 15.
    assert hits >= 270
    # No bias: the mean error in units of the interval's width.
    assert abs(float(np.mean(errors))) < 0.06


def test_hidden_decisions_are_estimated_from_the_audited_ones() -> None:
    random, hits, causal_hits = np.random.default_rng(2), 0, 0
    for _ in range(300):
        frame = rows(random, 1500, 0.3)
        block = sampled(hide(frame), SELECTED)
        both = [value_of_all([block]), causal_value([block])]
        for found in both:
            assert isinstance(found, Estimate)
        truth = earned(frame)
        hits += both[0].low <= truth <= both[0].high  # type: ignore[union-attr]
        causal_hits += both[1].low <= truth <= both[1].high  # type: ignore[union-attr]
    assert hits >= 270
    assert causal_hits >= 270


def test_what_is_hidden_and_never_audited_is_not_guessed() -> None:
    contract = flights_contract(control_share=0.1, label=SELECTED.to_json()["label"])
    frame = rows(np.random.default_rng(3), 800, 0.3).with_columns(
        arm=pl.when(pl.col("arm") == "audit").then(pl.lit("model")).otherwise("arm")
    )
    block = sampled(hide(frame), contract)
    assert value_of_all([block]) == NotEstimated(HIDDEN)
    assert causal_value([block]) == NotEstimated(f"not causal: {HIDDEN}")


def test_a_label_that_came_by_itself_is_no_sample_of_the_hidden() -> None:
    frame = pl.DataFrame(
        {"arm": ["model", "audit"], "decision": ["act", "act"], "label": ["late", "on_time"], "scores": [[0.5]] * 2}
    ).with_columns(flagged=pl.lit([], dtype=pl.List(pl.String)))
    hidden = sampled(frame, SELECTED).arms["hidden"]
    assert (hidden.cases, hidden.labelled, hidden.cost_minor) == (2, 1, 100)


def test_flagged_cases_are_in_no_arm() -> None:
    frame = rows(np.random.default_rng(4), 100, 0.3)
    flagged = frame.with_columns(flagged=pl.lit(["distance"], dtype=pl.List(pl.String)))
    assert sampled(flagged, EVERYWHERE).arms == {}


def test_blocks_are_joined_until_there_are_enough_and_only_under_one_contract() -> None:
    control = ArmTotals(10, 10, 1000, 1000, 0.0, 0.0)
    model = ArmTotals(90, 90, 4500, 9000, 0.0, 0.0)
    blocks = [Sampled(f"2013-03-{day:02}", "one", {"control": control, "model": model}) for day in range(1, 8)]
    found = causal_value(blocks)
    assert found == Estimate(7 * 4500, 7 * 4500, 7 * 4500, 7 * 90, 70, 7)
    few = [Sampled("2013-03-08", "other", {"control": control, "model": model})] * 2
    assert causal_value([*blocks, *few]) == found
    assert causal_value(few) == NotEstimated(
        f"not causal: fewer than {ENOUGH} labelled control cases: too few for an estimate"
    )


def test_the_totals_of_joined_blocks_are_those_of_all_their_rows() -> None:
    random = np.random.default_rng(5)
    one, other = rows(random, 300, 0.2), rows(random, 300, 0.6)
    together = causal_value([sampled(pl.concat([one, other]), EVERYWHERE)])
    short = [sampled(part, EVERYWHERE, f"d{n}") for n, part in enumerate((one.head(20), one.tail(280), other))]
    assert isinstance(together, Estimate)
    apart = causal_value(short)
    assert isinstance(apart, Estimate)
    assert (apart.cases, apart.drawn) == (together.cases, together.drawn)
    # Strata of their own know that the second day was late more often.
    assert apart.high - apart.low < together.high - together.low


def test_a_regression_has_arms_too() -> None:
    contract = arrival_contract(control_share=0.1)
    frame = pl.DataFrame(
        {
            "arm": ["control", "model"],
            "decision": ["constant", "estimate"],
            "value": [20.0, 20.0],
            "scores": [[18.0], [18.0]],
        }
    ).with_columns(flagged=pl.lit([], dtype=pl.List(pl.String)))
    arms = sampled(frame, contract).arms
    assert (arms["control"].cost_minor, arms["model"].cost_minor) == (10 * 300, 2 * 300)


@pytest.mark.parametrize("share", ["control_share", "audit_share"])
def test_an_audit_share_alone_tells_nothing_where_every_label_shows(share: str) -> None:
    frame = rows(np.random.default_rng(6), 50, 0.3)
    assert bool(sampled(frame, flights_contract(**{share: 0.1})).arms) == (share == "control_share")
