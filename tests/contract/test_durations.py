"""Lengths of time, and the numbers that the docstrings of the room promise."""

import doctest
import importlib
from datetime import UTC, datetime, timedelta

import pytest
from pydantic_core import PydanticCustomError

from shared.contract import Duration


@pytest.mark.parametrize(
    ("text", "written"),
    [("12h", "12h"), ("2 days", "2d"), ("1week", "1w"), ("1 month", "1 month"), ("3months", "3 months")],
)
def test_a_duration_is_read_and_written(text: str, written: str) -> None:
    assert str(Duration.parse(text)) == written
    assert Duration.parse(written) == Duration.parse(text)


@pytest.mark.parametrize("text", ["", "2", "d", "0d", "-1d", "1.5d", "99999d", "2 fortnights", "٣d", 2, None, True])
def test_what_is_no_duration_is_refused(text: object) -> None:
    with pytest.raises(PydanticCustomError, match="length of time"):
        Duration.parse(text)


def test_a_month_runs_to_the_same_day_or_the_last() -> None:
    month = Duration.parse("1 month")
    assert month.after(datetime(2012, 1, 31, tzinfo=UTC)) == datetime(2012, 2, 29, tzinfo=UTC)
    assert month.after(datetime(2013, 12, 15, tzinfo=UTC)) == datetime(2014, 1, 15, tzinfo=UTC)
    assert Duration.parse("2w").after(datetime(2013, 1, 1, tzinfo=UTC)) == datetime(2013, 1, 15, tzinfo=UTC)
    assert Duration.parse("36h").delta == timedelta(hours=36)
    with pytest.raises(ValueError, match="no fixed length"):
        _ = month.delta


@pytest.mark.parametrize("module", ["amounts", "durations", "faults", "shadow_price", "value", "capacity"])
def test_the_examples_in_the_words_hold(module: str) -> None:
    outcome = doctest.testmod(importlib.import_module(f"shared.contract.{module}"))
    assert outcome.attempted > 0
    assert outcome.failed == 0
