"""A scenario hands out every case once, in the hour in which it happens, and its label when it is known."""

from datetime import date, timedelta

import pytest

from headrace.scenario import Scenario, ScenarioError, load_scenario


@pytest.fixture(scope="module")
def march() -> Scenario:
    return load_scenario("flights", "3")


@pytest.mark.parametrize("months", ["", "x", "2-4", "4-3", "3-13", "3-4-5", "-4", "0"])
def test_months_that_cannot_be_played_are_explained(months: str) -> None:
    with pytest.raises(ScenarioError, match="months"):
        load_scenario("flights", months)


def test_an_unknown_demo_names_those_there_are() -> None:
    with pytest.raises(ScenarioError, match="flights"):
        load_scenario("boats", "3")


def test_every_case_comes_once_and_every_label_at_most_once(march: Scenario) -> None:
    hours = [hour for day in march.days for hour in march.hours(day)]
    rows = [row for hour in hours for row in hour.rows]
    learned = [row for hour in hours for row, _, _ in hour.outcomes]
    assert sorted(rows) == list(range(march.size))
    assert len(learned) == len(set(learned)) <= march.size
    assert len({hour.name for hour in hours}) == len(hours)


def test_a_label_never_comes_before_its_decision(march: Scenario) -> None:
    decided: set[int] = set()
    for day in march.days:
        for hour in march.hours(day):
            decided |= set(hour.rows)
            assert {row for row, _, _ in hour.outcomes} <= decided


def test_days_are_local_and_the_day_of_the_clock_change_has_23_hours(march: Scenario) -> None:
    change = date(2013, 3, 10)
    assert march.midnight(change + timedelta(days=1)).timestamp() - march.midnight(change).timestamp() == 23 * 3600


def test_an_earlier_end_leaves_later_cases_out(march: Scenario) -> None:
    short = march.until(march.midnight(date(2013, 3, 3)))
    assert len(short.days) == 2
    assert 0 < short.size < march.size
