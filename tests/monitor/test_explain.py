"""Columns that moved are named with their evidence and their size; every awkward window has an answer."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from services.monitor.block_statistics import BlockStatistics
from services.monitor.drift import Unit, Watch
from services.monitor.explain import Moved, explain, faults
from shared.package.bins import fit_category_levels, fit_number_bins
from shared.package.inputs import InputProfile, RunningProfile, coarse_inputs
from shared.package.profile import Profile, score_bins

ROWS = 1_000
SIZE = np.random.default_rng(0).normal(size=ROWS)
COLOURS = ["red"] * 600 + ["blue"] * 400
PROFILE = Profile(
    rows=ROWS,
    numbers={
        "size": fit_number_bins(SIZE),
        "constant": fit_number_bins(np.ones(ROWS)),
        "void": fit_number_bins(SIZE * np.nan),
    },
    categories={"colour": fit_category_levels(COLOURS)},
    scores=score_bins(np.full((1, 1), 0.5)),
)
Columns = dict[str, Any]
SAME: Columns = {"size": SIZE, "constant": np.ones(ROWS), "void": [None] * ROWS, "colour": COLOURS}


def counted(columns: Columns) -> InputProfile:
    running = RunningProfile(PROFILE.numbers, PROFILE.categories)
    running.add(columns)
    return running.profile()


def block(name: str, columns: Columns) -> BlockStatistics:
    return BlockStatistics(name, ROWS, ROWS, 0.0, ((ROWS,),), (ROWS,), inputs=coarse_inputs(counted(columns)))


def drawn(seed: int, shift: float = 0.0, rows: int = 200) -> Columns:
    random = np.random.default_rng(seed)
    return {
        "size": random.normal(size=rows) + shift + 0.1 * random.normal(),
        "constant": np.ones(rows),
        "void": [None] * rows,
        "colour": np.where(random.random(rows) < 0.6, "red", "blue").astype(object),
    }


def moved(columns: Columns, unit: Unit = "day", blocks: list[BlockStatistics] | None = None) -> list[Moved]:
    watch = Watch("toy", unit, 0.05, 1)
    reference = [block(f"2013-01-{day + 1:02}", drawn(day)) for day in range(28)]
    return explain(watch, PROFILE, counted(columns), reference, blocks or [])


def test_equal_data_has_moved_nowhere_and_has_no_fault() -> None:
    assert moved(SAME) == []
    assert faults(PROFILE, counted(SAME)) == []


@pytest.mark.parametrize("unit", ["day", "row"])
def test_a_column_that_moves_is_named_by_its_evidence_and_others_are_not(unit: Unit) -> None:
    days = [block(f"2013-02-{day + 1:02}", drawn(100 + day, shift=1.5)) for day in range(20)]
    first, *others = moved(drawn(1, shift=1.5), unit, days)
    assert (first.name, first.named) == ("size", True)
    assert first.distance > 0.4
    assert first.e_value is not None
    assert first.e_value >= 4 / 0.05
    assert first.p_value is not None
    assert first.p_value < 0.1
    assert "median" in first.change
    assert [one.named for one in others] == [False] * len(others)


def test_columns_that_stay_are_named_seldom() -> None:
    named = 0
    for run in range(40):
        days = [block(f"2013-02-{day + 1:02}", drawn(1_000 * (run + 1) + day)) for day in range(12)]
        watch = Watch("toy", "day", 0.05, 1, seed=run)
        before = [block(f"2013-01-{day + 1:02}", drawn(99_000 * (run + 1) + day)) for day in range(20)]
        named += any(one.named for one in explain(watch, PROFILE, counted(drawn(run)), before, days))
    assert named <= 4


def test_without_reference_blocks_columns_have_a_size_and_no_evidence() -> None:
    watch = Watch("toy", "day", 0.05, 1)
    (first, *_) = explain(watch, PROFILE, counted(SAME | {"size": SIZE + 1}), [], [])
    assert (first.name, first.p_value, first.e_value, first.named) == ("size", None, None, False)
    assert first.distance == pytest.approx(0.38, abs=0.05)


def without(name: str) -> Columns:
    return {other: cells for other, cells in SAME.items() if other != name}


def one_row() -> Columns:
    return {name: cells[:1] for name, cells in SAME.items()}


AWKWARD: dict[str, tuple[Callable[[], Columns], str | None]] = {
    "a column of nulls": (lambda: SAME | {"size": [None] * ROWS}, "size: null in 100.0% of the rows (0.0% before)"),
    "values where all was null": (lambda: SAME | {"void": SIZE}, None),
    "a constant column": (lambda: SAME | {"size": np.zeros(ROWS)}, None),
    "another constant": (lambda: SAME | {"constant": np.full(ROWS, 2.0)}, "constant: 100.0% of the rows above 1"),
    "numbers sent as text": (lambda: SAME | {"size": ["1.5"] * ROWS}, "size: no number in 100.0% of the rows"),
    "infinite numbers": (lambda: SAME | {"size": [math.inf, -math.inf] * 500}, "size: infinite in 100.0% of the rows"),
    "numbers too large": (lambda: SAME | {"size": [10**400] * ROWS}, "size: infinite in 100.0% of the rows"),
    "numbers out of range": (lambda: SAME | {"size": SIZE + 100}, "size: 100.0% of the rows above"),
    "a missing column": (lambda: without("size"), "size: not sent in 100.0% of the rows"),
    "a new column": (lambda: SAME | {"stranger": [1] * ROWS}, "stranger: sent, but the package does not know it"),
    "unseen levels": (lambda: SAME | {"colour": ["green"] * ROWS}, "colour: levels that the package does not know"),
    "levels that are no text": (lambda: SAME | {"colour": [3] * ROWS}, "colour: no text in 100.0% of the rows"),
    "half of the rows null": (lambda: SAME | {"size": np.where(SIZE > 0, SIZE, np.nan)}, "size: null in"),
    "one row": (one_row, None),
    "an empty window": (dict, None),
    "empty columns": (lambda: {name: [] for name in SAME}, None),
}


@pytest.mark.parametrize("unit", ["day", "week", "row"])
@pytest.mark.parametrize("what", AWKWARD)
def test_every_awkward_window_is_answered(what: str, unit: Unit) -> None:
    make, expected = AWKWARD[what]
    columns = make()
    days = [block("2013-02-01", SAME), block("2013-02-02", columns)]
    found, said = moved(columns, unit, days), faults(PROFILE, counted(columns))
    assert all(0 < one.distance <= 1.000001 for one in found)
    assert expected is None or any(fault.startswith(expected) for fault in said), said


def test_awkward_numbers_are_far_away() -> None:
    for what in ("a column of nulls", "numbers sent as text", "infinite numbers", "a missing column"):
        make, _ = AWKWARD[what]
        (first, *_) = moved(make())
        assert first.name == "size", what
        assert first.distance == pytest.approx(1.0, abs=1e-3), what
