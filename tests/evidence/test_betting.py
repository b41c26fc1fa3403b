"""Bets on a mean keep their promise at every look, and lose little where the mean is clear."""

import numpy as np
import pytest

from shared.evidence import betting_e_process, confidence_lower_bound, confidence_upper_bound
from shared.evidence.betting import bet_fractions

pytestmark = pytest.mark.slow


def first(evidence: list[float], needed: float) -> int:
    return next((n for n, e in enumerate(evidence, 1) if e >= needed), 999)


def test_golden_numbers() -> None:
    assert betting_e_process([], -0.5, 0.5) == []
    assert betting_e_process([0.0, 0.0], -0.5, 0.5) == pytest.approx([1.0, 1.0])
    assert betting_e_process([9.0], -0.5, 0.5) == betting_e_process([0.5], -0.5, 0.5) == pytest.approx([1.5])
    assert first(betting_e_process([0.5] * 20, -0.5, 0.5), 100) == 9
    assert first(betting_e_process([0.1] * 200, -0.5, 0.5), 100) == 33


def test_no_bet_can_lose_everything_and_no_capital_overflows() -> None:
    assert 0 < bet_fractions().min() < bet_fractions().max() < 1
    assert betting_e_process([-0.5] * 50, -0.5, 0.5)[-1] > 0
    assert np.isfinite(betting_e_process([1.0] * 5000, -1.0, 1.0)[-1])


def test_a_mean_of_nothing_alarms_in_at_most_alpha_of_the_runs() -> None:
    random = np.random.default_rng(0)
    for noise in (random.normal(0, 0.2, (200, 100)), random.choice([-0.5, 0.5], (200, 100))):
        alarms = [max(betting_e_process(run.tolist(), -0.5, 0.5)) >= 20 for run in noise]
        assert np.mean(alarms) <= 0.05


def test_a_small_gain_is_found_where_its_noise_is_small() -> None:
    random = np.random.default_rng(1)
    delays = [first(betting_e_process(random.normal(0.05, 0.08, 300).tolist(), -0.5, 0.5), 20) for _ in range(50)]
    assert np.median(delays) <= 60


def test_the_bounds_are_where_the_bets_turn() -> None:
    values = np.random.default_rng(2).normal(0.1, 0.1, 80).tolist()
    low, high = (bound(values, -0.5, 0.5, 0.05) for bound in (confidence_lower_bound, confidence_upper_bound))
    assert 0 < low < np.mean(values) < high < 0.3
    assert (
        max(betting_e_process(values, -0.5, 0.5, low - 1e-6))
        >= 20
        > max(betting_e_process(values, -0.5, 0.5, low + 1e-6))
    )
    assert confidence_upper_bound([], -0.5, 0.5, 0.05) == 0.5
    assert confidence_lower_bound([-0.5] * 9, -0.5, 0.5, 0.05) == -0.5


def test_the_bounds_hold_at_every_look_at_once() -> None:
    random = np.random.default_rng(3)
    missed = 0
    for _ in range(100):
        values = random.beta(2, 3, 60).tolist()
        # The running bound never falls, so the last one says whether any missed.
        missed += confidence_lower_bound(values, 0, 1, 0.1) > 0.4 or confidence_upper_bound(values, 0, 1, 0.1) < 0.4
    assert missed <= 20


def test_what_cannot_be_bet_on_is_refused() -> None:
    with pytest.raises(ValueError, match="not between"):
        betting_e_process([0.1], 0, 1, null_mean=0)
    with pytest.raises(ValueError, match="not a number"):
        betting_e_process([float("nan")], 0, 1, 0.5)
    with pytest.raises(ValueError, match="not below"):
        confidence_lower_bound([0.1], 1, 0, 0.05)
