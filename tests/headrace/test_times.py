"""Times are recognised as people write them, and never guessed where they may be read in two ways."""

import pandas as pd
import pytest

from headrace.times import FORMAT, forms_of, no_times, numeric_form, times_of

MOMENT = pd.Timestamp("2026-03-25 14:05:00")


@pytest.mark.parametrize(
    ("form", "found"),
    [
        ("%Y-%m-%d %H:%M:%S", FORMAT),
        ("%Y-%m-%dT%H:%M:%SZ", FORMAT),
        ("%d.%m.%Y %H:%M", "%d.%m.%Y %H:%M"),
        ("%d/%m/%Y", "%d/%m/%Y"),
        ("%m/%d/%Y %I:%M %p", "%m/%d/%Y %I:%M %p"),
        ("%d-%b-%Y", "%d-%b-%Y"),
        ("%b %d, %Y", "%b %d, %Y"),
    ],
)
def test_a_form_is_found_and_reads_the_day_back(form: str, found: str) -> None:
    column = pd.Series([MOMENT.strftime(form), None, (MOMENT + pd.Timedelta(days=40)).strftime(form)])
    assert forms_of(column) == (found,)
    times = times_of(column, "UTC", found)
    assert times is not None
    assert [None if time != time else f"{time:%m-%d}" for time in times] == ["03-25", None, "05-04"]


@pytest.mark.parametrize(
    "cells", [["soon", "2026-03-01"], ["12", "13"], ["0415", "0416"], ["a1b2c3", "d4e5f6"], [None]]
)
def test_other_text_holds_no_times(cells: list[str | None]) -> None:
    assert forms_of(pd.Series(cells, dtype=object)) == ()


def test_a_day_that_may_be_a_month_is_both() -> None:
    assert forms_of(pd.Series(["03/04/2026", "11/12/2026"])) == ("%d/%m/%Y", "%m/%d/%Y")


@pytest.mark.parametrize(
    ("cells", "form"),
    [
        (["20260301", "20261231"], "%Y%m%d"),
        (["1772323200", "1774915200.5"], "s"),
        (["1772323200000"], "ms"),
        (["1772323200000000000"], "ns"),
        (["17", "18"], None),
        (["soon"], None),
    ],
)
def test_numbers_may_be_times_where_somebody_says_so(cells: list[str], form: str | None) -> None:
    column = pd.Series(cells)
    assert numeric_form(column) == form
    if form:
        times = times_of(column, "Europe/Berlin", form)
        assert times is not None
        assert times.dt.year.unique().tolist() == [2026]


def test_the_values_that_are_no_times_are_named() -> None:
    assert no_times(pd.Series(["2026-03-01", "soon", "2026"]), FORMAT).tolist() == [False, True, True]
    assert no_times(pd.Series(["1.3.2026", "2026-03-01"]), "%d.%m.%Y").tolist() == [False, True]
