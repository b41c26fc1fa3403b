"""Windows of rows against the pool before them: p-values hold, evidence holds, awkward windows change nothing."""

import doctest

import numpy as np
import pytest

from services.monitor import two_sample
from services.monitor.two_sample import SCALES, chi2_p, ks_p, ks_upward_p, pooled_evidence

BINS = 64


def test_the_examples_in_the_documentation_are_true() -> None:
    assert doctest.testmod(two_sample).failed == 0


@pytest.mark.parametrize("test", [ks_p, ks_upward_p, chi2_p])
def test_p_values_of_unchanged_rows_are_rarely_small(test: two_sample.Test) -> None:
    random = np.random.default_rng(0)
    even = np.full(BINS, 1 / BINS)
    before, now = random.multinomial(2000, even, 4000), random.multinomial(500, even, 4000)
    ps = test(before.astype(float), now.astype(float))
    assert ((ps >= 0) & (ps <= 1)).all()
    for level in (0.05, 0.01):
        assert (ps <= level).mean() <= 1.35 * level


def evidence(random: np.random.Generator, shift: float, windows: int = 60) -> np.ndarray:
    edges = np.sort(random.normal(size=BINS - 1))

    def counts(rows: int, mean: float) -> np.ndarray:
        return np.bincount(np.searchsorted(edges, random.normal(mean, 1, rows)), minlength=BINS).astype(float)

    pool = counts(2000, 0)
    return pooled_evidence(pool, np.array([counts(500, shift if t >= 20 else 0) for t in range(windows)]), ks_p)


def test_unchanged_windows_alarm_in_at_most_alpha_of_the_runs() -> None:
    random = np.random.default_rng(1)
    alarms = [evidence(random, 0.0).max() >= len(SCALES) / 0.05 for _ in range(60)]
    assert np.mean(alarms) <= 0.05


@pytest.mark.parametrize(("shift", "most"), [(1.0, 1), (0.5, 1), (0.25, 3), (0.1, 25)])
def test_a_change_is_found_the_sooner_the_larger_it_is(shift: float, most: int) -> None:
    random = np.random.default_rng(2)
    delays = []
    for _ in range(11):
        found = np.flatnonzero((evidence(random, shift) >= len(SCALES) / 0.05).any(axis=1))
        delays.append(found[0] - 19 if len(found) else 999)
    assert np.median(delays) <= most
    assert min(delays) >= 1


def test_windows_without_rows_and_columns_without_a_reference_change_nothing() -> None:
    nothing = np.zeros((20, 3))
    assert np.allclose(pooled_evidence(np.array([5.0, 5.0, 5.0]), nothing, ks_p), 1)
    assert pooled_evidence(np.ones(3), np.zeros((0, 3)), chi2_p).shape == (0, len(SCALES))
    assert np.isfinite(pooled_evidence(np.zeros(3), nothing + 7, chi2_p)).all()
    assert np.isfinite(pooled_evidence(np.array([1e6, 0, 0]), nothing + np.array([0, 0, 1e6]), ks_p)).all()
