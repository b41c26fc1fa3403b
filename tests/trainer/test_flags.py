"""Cells outside type, range or levels become null and flag their row."""

import numpy as np
import pandas as pd
import pytest

from services.trainer.flags import Columns, check_flagged, clean_columns
from services.trainer.job import CannotTrainError
from shared.contract import Contract


def columns(size: list[object], colour: list[object]) -> Columns:
    times = pd.date_range("2024-03-01", periods=len(size), freq="h", tz="UTC")
    return Columns(times, {"size": size, "colour": colour}, [None] * len(size), np.zeros(len(size), dtype=bool))


def test_null_is_a_value_and_everything_odd_is_flagged(toy_contract: Contract) -> None:
    size: list[object] = [1, None, float("nan"), "text", 11.0, float("inf"), "2.5"]
    clean, flagged, by_feature = clean_columns(toy_contract, columns(size, ["red"] * 7))
    assert flagged.tolist() == [False, False, False, True, True, True, False]
    assert np.isnan(np.asarray(clean["size"])).tolist() == [False, True, True, True, True, True, False]
    assert by_feature == {"size": 3, "colour": 0}


def test_a_category_that_is_no_text_or_too_long_is_flagged(toy_contract: Contract) -> None:
    clean, flagged, _ = clean_columns(toy_contract, columns([0] * 4, ["red", None, 7, "x" * 257]))
    assert list(clean["colour"]) == ["red", None, None, None]
    assert flagged.tolist() == [False, False, True, True]


def test_too_many_flagged_rows_stop_the_training_and_name_the_feature(toy_contract: Contract) -> None:
    flagged = np.arange(100) < 6
    with pytest.raises(CannotTrainError, match=r"6\.00% of 100 rows .* allows 5\.00%: size \(6 rows\)"):
        check_flagged(toy_contract, flagged, {"colour": 0, "size": 6})
    check_flagged(toy_contract, np.arange(100) < 5, {"size": 5})
    check_flagged(toy_contract, np.zeros(0, dtype=bool), {})
