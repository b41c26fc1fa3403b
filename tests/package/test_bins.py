"""Fixed bins hold every value once, and adding is exact."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.package.bins import even_bins, fit_category_levels, fit_number_bins

numbers = st.lists(st.floats(width=64), max_size=200)


@given(numbers, numbers, numbers)
def test_counting_parts_and_adding_equals_counting_the_whole(
    baseline: list[float], left: list[float], right: list[float]
) -> None:
    bins = fit_number_bins(np.array(baseline, dtype=np.float64))
    parts = bins.count(np.array(left, dtype=np.float64)) + bins.count(np.array(right, dtype=np.float64))
    assert parts == bins.count(np.array(left + right, dtype=np.float64))
    assert sum(parts.counts) + parts.other + parts.nulls == len(left) + len(right)


def test_no_baseline_value_falls_outside_its_own_bins() -> None:
    bins = fit_number_bins(np.random.default_rng(0).normal(size=10_000))
    assert bins.counts[0] == bins.counts[-1] == 0
    assert len(bins.counts) == 66
    assert max(bins.counts) < 2 * 10_000 / 64


def test_a_constant_column_still_tells_below_equal_and_above() -> None:
    bins = fit_number_bins(np.full(100, 3.0))
    assert bins.counts == (0, 100, 0)
    assert bins.count(np.array([2.0, 3.0, 4.0, np.nan, np.inf])).counts == (1, 1, 1)


def test_a_value_that_fills_most_of_a_column_has_a_bin_of_its_own() -> None:
    values = np.concatenate([np.zeros(900), np.linspace(0.1, 1, 100)])
    bins = fit_number_bins(values)
    assert 900 in bins.counts


def test_an_all_null_column_has_only_nulls() -> None:
    bins = fit_number_bins(np.full(5, np.nan))
    assert (bins.edges, bins.counts, bins.nulls) == ((), (0,), 5)
    assert bins.count(np.array([1.0])).counts == (1,)


def test_levels_beyond_the_most_frequent_are_other() -> None:
    levels = fit_category_levels([str(number) for number in range(100)] + ["0", None])
    assert len(levels.levels) == 64
    assert levels.levels[0] == "0"
    assert (levels.other, levels.nulls) == (36, 1)


def test_bins_with_other_edges_cannot_be_added() -> None:
    with pytest.raises(ValueError, match="edges"):
        even_bins(0, 1, 4) + even_bins(0, 1, 5)


def test_even_bins_hold_both_ends() -> None:
    assert even_bins(0, 1, 4).count(np.array([0.0, 1.0])).counts == (0, 1, 0, 0, 1, 0)
