"""The simulated loans: the same whenever they are asked for, called simulated, and sound under their contract."""

from datetime import date, datetime, timedelta

import pandas as pd
import pytest

from examples.loans import scenario
from examples.loans.applications import CATEGORIES, FEATURES, NUMBERS, between, one_day
from examples.loans.source import load
from headrace.scenario import EXAMPLES, load_scenario
from shared.contract import read_contract

CONTRACT = read_contract((EXAMPLES / "loans" / "contract.yaml").read_text(encoding="utf-8"))
UNTIL = datetime(2025, 3, 3, 12, tzinfo=CONTRACT.zone)


@pytest.fixture(scope="module")
def loans() -> pd.DataFrame:
    return load(UNTIL)


def test_everybody_is_told_that_nobody_applied_for_these() -> None:
    assert "SIMULATED" in CONTRACT.objective
    assert load_scenario("loans").simulated


def test_the_columns_are_those_of_the_contract(loans: pd.DataFrame) -> None:
    assert set(FEATURES) == set(CONTRACT.feature_names)
    assert (set(NUMBERS), set(CATEGORIES)) == (set(CONTRACT.numbers), set(CONTRACT.categories))
    assert set(loans.columns) == {CONTRACT.event_time, "known_at", CONTRACT.label.name, *FEATURES}
    assert set(loans["outcome"]) == set(CONTRACT.classes)


def test_every_value_lies_within_what_the_contract_allows(loans: pd.DataFrame) -> None:
    for name in NUMBERS:
        low, high = CONTRACT.features[name].range or (0.0, 0.0)
        assert loans[name].between(low, high).all(), name
    for name in CATEGORIES:
        assert set(loans[name]) <= set(CONTRACT.features[name].levels or ())


def test_the_source_gives_the_same_rows_whatever_comes_after_them(loans: pd.DataFrame) -> None:
    assert loans["applied_at"].max() < pd.Timestamp(UNTIL)
    earlier = load(UNTIL - timedelta(days=3))
    pd.testing.assert_frame_equal(earlier, loans.head(len(earlier)))


def test_labels_come_after_the_loan_and_before_it_is_given_up(loans: pd.DataFrame) -> None:
    waited = loans["known_at"] - loans["applied_at"]
    assert waited.min() >= pd.Timedelta(days=1)
    assert waited.max() < CONTRACT.label.mature_after.delta


def test_weekends_are_quiet_and_fraud_is_rare() -> None:
    rows = between(scenario.FIRST_DAY, scenario.LAST_DAY + timedelta(days=1))
    per_day = rows.groupby(rows["applied_at"].dt.date).size()
    quiet = pd.Series([day.isoweekday() > 5 for day in per_day.index], index=per_day.index)
    assert per_day[quiet].max() * 2 < per_day[~quiet].min()
    assert 0.02 < (rows["outcome"] == "fraud").mean() < 0.1


def test_the_desk_is_cut_in_the_middle_of_a_week_that_is_played() -> None:
    days = load_scenario("loans").days
    assert {scenario.CUT_DAY, scenario.RESTORED_DAY} <= set(days)
    assert scenario.CUT_DAY.isoweekday() == 3
    assert scenario.CUT_CAPACITY * 2 == scenario.CAPACITY
    assert CONTRACT.decisions is not None
    assert CONTRACT.decisions["review"].capacity is not None
    assert CONTRACT.decisions["review"].capacity.limit == scenario.CAPACITY


def test_a_day_is_in_order_of_time() -> None:
    assert one_day(date(2025, 3, 3))["applied_at"].is_monotonic_increasing
