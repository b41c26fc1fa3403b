"""Ranks are uniform, their evidence is worth one, and what it says for ever it says wrongly at most α of the time."""

import doctest

import numpy as np
import pytest

from shared.evidence import LARGEST, betting, conformal_p, e_of_p, e_sr, ranks, signs, spending, uniform_of
from shared.evidence.ranks import e_process_of_p, start_weights


@pytest.mark.parametrize("module", [betting, ranks, signs])
def test_the_examples_in_the_documentation_are_true(module: object) -> None:
    assert doctest.testmod(module).failed == 0  # type: ignore[arg-type]


def test_uniforms_depend_on_every_part_and_are_never_zero_or_one() -> None:
    drawn = [uniform_of(seed, "flights", epoch, block) for seed in (0, 1) for epoch in (1, 2) for block in "ab"]
    assert len(set(drawn)) == 8
    assert all(0 < one < 1 for one in drawn)
    many = np.array([uniform_of(number) for number in range(2000)])
    assert abs(many.mean() - 0.5) < 0.02
    assert uniform_of(0, "flights", 1, "2013-04-01") == pytest.approx(0.5, abs=0.5)


def test_a_rank_among_equals_is_uniform_whatever_the_ties() -> None:
    random = np.random.default_rng(0)
    values = random.integers(0, 3, (4000, 10)).astype(float)
    ps = [conformal_p(row[:-1], row[-1], random.random()) for row in values]
    assert np.abs(np.quantile(ps, [0.05, 0.25, 0.5, 0.75]) - [0.05, 0.25, 0.5, 0.75]).max() < 0.025


def test_evidence_in_a_uniform_p_is_worth_one_on_average_and_stays_finite() -> None:
    grid = (np.arange(1_000_000) + 0.5) / 1_000_000
    assert 0.9 < e_of_p(grid).mean() <= 1.0
    assert np.isfinite(e_sr(e_of_p(np.zeros(100)))).all()
    assert e_sr(e_of_p(np.zeros(100))).max() <= LARGEST


def test_start_weights_leave_no_more_than_all_for_ever() -> None:
    assert start_weights(10_000).sum() == pytest.approx(1, abs=6e-3)
    assert start_weights(10_000).sum() < 1


def test_nothing_happens_alarms_in_at_most_alpha_of_the_runs() -> None:
    random = np.random.default_rng(1)
    values = e_sr(e_of_p(random.random((300, 400))))
    assert (values.max(axis=0) >= 20).mean() <= 0.05


def test_rare_blocks_alarm_soon_after_they_begin() -> None:
    ps = [*np.random.default_rng(2).random(50), *[0.01] * 8]
    evidence = e_process_of_p(ps)
    assert max(evidence[:50]) < 20 < evidence[-1]
    assert e_process_of_p([]) == []
    assert spending(0.05, 1) < 0.05
