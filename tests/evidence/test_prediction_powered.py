"""The corrected mean is right on average whatever is expected, and its interval holds what it says."""

import numpy as np
import pytest

from shared.evidence import AuditSums, corrected_mean


def draw(seed: int, rows: int, share: float, bias: float) -> tuple[AuditSums, float, float]:
    """Sums of one audited population, the mean of all its outcomes, and what the expectations alone say."""
    random = np.random.default_rng(seed)
    expected = random.beta(1, 4, rows)
    outcome = (random.random(rows) < np.clip(expected + bias, 0, 1)).astype(float)
    return AuditSums.of(expected, outcome, random.random(rows) < share), outcome.mean(), expected.mean()


@pytest.mark.parametrize("bias", [0.0, 0.15])
def test_the_interval_holds_the_mean_of_all_rows_about_as_often_as_it_says(bias: float) -> None:
    runs = 400
    covered, errors, plain = 0, [], []
    for seed in range(runs):
        sums, truth, expectation = draw(seed, rows=2_000, share=0.05, bias=bias)
        found = corrected_mean(sums)
        assert found is not None
        covered += found.low <= truth <= found.high
        errors.append(found.mean - truth)
        plain.append(expectation - truth)
    assert 0.92 <= covered / runs <= 0.98
    assert abs(np.mean(errors)) < 4 * np.std(errors) / np.sqrt(runs)
    if bias:
        assert np.mean(np.abs(errors)) < 0.4 * np.mean(np.abs(plain))


def test_sums_of_blocks_add_up_to_those_of_all_rows() -> None:
    random = np.random.default_rng(3)
    expected, outcome, audited = random.random(500), random.random(500), random.random(500) < 0.2
    parts = [
        AuditSums.of(expected[a : a + 100], outcome[a : a + 100], audited[a : a + 100]) for a in range(0, 500, 100)
    ]
    whole, added = AuditSums.of(expected, outcome, audited), sum(parts, AuditSums())
    assert (added.rows, added.audited) == (whole.rows, whole.audited)
    assert corrected_mean(added) == pytest.approx(corrected_mean(whole))


def test_outcomes_of_rows_that_were_not_audited_are_not_looked_at() -> None:
    audited = np.arange(40) < 30
    outcome = np.where(audited, 1.0, np.nan)
    found = corrected_mean(AuditSums.of(np.full(40, 0.5), outcome, audited))
    assert found == (1.0, 1.0, 1.0)


def test_an_audit_of_all_rows_leaves_no_error_and_one_of_few_says_nothing() -> None:
    sums, truth, _ = draw(0, rows=200, share=2.0, bias=0.3)
    found = corrected_mean(sums)
    assert found is not None
    assert found == pytest.approx((truth, truth, truth))
    assert corrected_mean(AuditSums()) is None
    assert corrected_mean(AuditSums.of(np.zeros(19), np.ones(19), np.ones(19, dtype=bool))) is None
