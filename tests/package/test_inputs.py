"""Profiles of inputs add up bit for bit, take batches of any make, and are never stopped by what is in them."""

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.package.bins import fit_category_levels, fit_number_bins
from shared.package.canonical import canonical_json
from shared.package.grid import CHUNK
from shared.package.inputs import InputProfile, RunningProfile

RANDOM = np.random.default_rng(0)
ROWS = 400
SIZES = RANDOM.normal(size=ROWS)
NUMBERS = {
    "size": fit_number_bins(SIZES),
    "whole": fit_number_bins(np.rint(SIZES * 3)),
    "constant": fit_number_bins(np.ones(ROWS)),
    "void": fit_number_bins(np.full(ROWS, np.nan)),
}
CATEGORIES = {"colour": fit_category_levels(["red"] * 60 + ["blue"] * 40 + [None])}
number = st.one_of(st.floats(), st.integers(-9, 9).map(float), st.none(), st.text(max_size=2), st.just(10**400))
text = st.one_of(st.sampled_from(["red", "blue", "green"]), st.none(), st.integers(0, 3))
row = st.fixed_dictionaries({"size": number, "whole": number, "constant": number, "colour": text})


def profile_of(*batches: Any) -> InputProfile:
    running = RunningProfile(NUMBERS, CATEGORIES)
    for batch in batches:
        running.add(batch)
    return running.profile()


def as_columns(rows: list[dict[str, Any]]) -> dict[str, list[Any]]:
    return {name: [one[name] for one in rows] for name in ("size", "whole", "constant", "colour")} if rows else {}


def bits(profile: InputProfile) -> bytes:
    return canonical_json(profile.model_dump(mode="json"))


@settings(max_examples=60, deadline=None)
@given(st.lists(row, max_size=40), st.lists(st.integers(0, 40), max_size=4), st.randoms(use_true_random=False))
def test_any_split_in_any_order_adds_up_bit_for_bit(rows: list[dict[str, Any]], cuts: list[int], random: Any) -> None:
    places = [0, *sorted(min(cut, len(rows)) for cut in cuts), len(rows)]
    parts = [rows[a:b] for a, b in pairwise(places)]
    whole = bits(profile_of(as_columns(rows)))
    assert bits(profile_of(*map(as_columns, parts))) == whole
    random.shuffle(parts)
    added = profile_of()
    for part in parts:
        added += profile_of(as_columns(part))
    assert bits(added) == whole


@pytest.mark.parametrize("seed", range(5))
def test_a_split_of_many_rows_in_chunks_of_any_size_adds_up(seed: int) -> None:
    random = np.random.default_rng(seed)
    rows = 2 * CHUNK + 77
    columns = {
        "size": np.where(random.random(rows) < 0.1, np.nan, random.normal(size=rows)),
        "whole": random.integers(-5, 5, rows),
        "constant": random.normal(size=rows).astype(np.float32),
        "void": random.normal(size=rows),
        "colour": np.array(["red", "blue", "green"], dtype=object)[random.integers(0, 3, rows)],
    }
    cuts = [0, *sorted(random.integers(0, rows, 7).tolist()), rows]
    parts = [{name: cells[a:b] for name, cells in columns.items()} for a, b in pairwise(cuts)]
    whole = profile_of(columns)
    assert bits(profile_of(*parts)) == bits(whole)
    assert whole.numbers["size"] == NUMBERS["size"].count(columns["size"])
    assert whole.numbers["size"].nulls + sum(whole.numbers["size"].counts) == rows
    assert sum(whole.categories["colour"].counts) + whole.categories["colour"].other == rows


def test_every_make_of_batch_gives_the_same_counts() -> None:
    columns: dict[str, list[Any]] = {
        "size": [0.1, None, 3.0, -2.0],
        "whole": [1, 2, 3, 4],
        "constant": [True, True, False, True],
        "void": [None] * 4,
        "colour": ["red", None, "green", "red"],
    }
    lists = profile_of(columns)
    arrow = pa.table(columns)
    frame = pd.DataFrame(columns)
    for batch in (
        arrow,
        arrow.to_batches()[0],
        arrow.set_column(4, "colour", arrow["colour"].dictionary_encode()),
        frame,
        frame.astype({"whole": "Int64", "colour": "category"}),
        frame.astype({"colour": object}),
        pl.DataFrame(columns),
        {name: arrow[name] for name in columns},
    ):
        assert bits(profile_of(batch)) == bits(lists)
    assert (lists.numbers["size"].nulls, lists.categories["colour"].other, lists.odd) == (1, 1, {})


@pytest.mark.parametrize(
    ("cells", "nulls", "other", "odd"),
    [
        ([None, math.nan, pd.NA], 3, 0, 0),
        (["1.5", "x", None], 1, 2, 2),
        ([math.inf, -math.inf, 10**400], 0, 3, 0),
        (np.array(["1", "2", "3"]), 0, 3, 3),
        (pa.array(["1", None, "3"]), 1, 2, 2),
        (pa.array([None, None, None], pa.null()), 3, 0, 0),
        ([[1.0], {}, object()], 0, 3, 3),
        (np.array(["2013-01-01"] * 3, dtype="datetime64[s]"), 0, 3, 3),
    ],
    ids=["null", "text", "infinite", "numpy text", "arrow text", "arrow null", "objects", "dates"],
)
def test_awkward_numbers_are_counted_and_never_raise(cells: Any, nulls: int, other: int, odd: int) -> None:
    found = profile_of({"size": cells})
    assert (found.numbers["size"].nulls, found.numbers["size"].other) == (nulls, other)
    assert found.odd.get("size", 0) == odd


@pytest.mark.parametrize(
    "cells", [[1, 2.5, None], [[1], [1], None], np.array([1.0, 2.0, np.nan]), pa.array([1, 2, None]), [math.nan, 3, 4]]
)
def test_levels_that_are_no_text_are_counted_as_odd(cells: Any) -> None:
    found = profile_of({"colour": cells})
    assert (found.categories["colour"].nulls, found.categories["colour"].other, found.odd) == (1, 2, {"colour": 2})


def test_missing_and_new_columns_are_named_with_their_rows() -> None:
    found = profile_of({"size": [1.0, 2.0], "stranger": [1, 2]}, {})
    assert found.rows == 2
    assert found.missing == {"colour": 2, "constant": 2, "void": 2, "whole": 2}
    assert found.new == {"stranger": 2}
    assert found.numbers["whole"].nulls == found.categories["colour"].nulls == 2


def test_columns_of_different_length_are_refused() -> None:
    with pytest.raises(ValueError, match="1 to 2 rows"):
        profile_of({"size": [1.0], "colour": ["red", "blue"]})


def test_profiles_of_other_columns_or_bins_cannot_be_added() -> None:
    with pytest.raises(ValueError, match="other columns"):
        profile_of() + RunningProfile({}, {}).profile()
    other = RunningProfile(NUMBERS | {"size": fit_number_bins(SIZES + 1)}, CATEGORIES).profile()
    with pytest.raises(ValueError, match="other edges"):
        profile_of() + other
