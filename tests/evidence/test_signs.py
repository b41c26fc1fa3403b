"""The sign test may be looked at after every block."""

import numpy as np
import pytest

from shared.evidence import sign_e_process


def test_only_the_sign_of_blocks_that_differ_counts() -> None:
    assert sign_e_process([]) == []
    assert sign_e_process([0, 0]) == [1.0, 1.0]
    assert sign_e_process([5, -2, 0]) == sign_e_process([1, -1, 0])


def test_golden_numbers_of_wins_in_a_row() -> None:
    # The mean over λ of (1 + λ)^n is (2^(n+1) - 1) / (n + 1), up to the grid.
    assert sign_e_process([1] * 7)[-1] == pytest.approx(255 / 8, rel=1e-3)
    assert next(n for n, e in enumerate(sign_e_process([1] * 20), 1) if e >= 100) == 9


def test_fair_signs_win_in_at_most_alpha_of_the_runs_and_better_ones_soon() -> None:
    random = np.random.default_rng(0)
    fair = [max(sign_e_process(random.choice([-1, 1], 100).tolist())) for _ in range(200)]
    assert np.mean(np.array(fair) >= 20) <= 0.05
    better = [sign_e_process(np.where(random.random(200) < 0.75, 1, -1).tolist()) for _ in range(50)]
    delays = [next((n for n, e in enumerate(run, 1) if e >= 20), 999) for run in better]
    assert np.median(delays) <= 40
    assert max(delays) < 999
