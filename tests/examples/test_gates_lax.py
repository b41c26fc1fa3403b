"""The flights to Los Angeles as a regression reads them: real, dated, and nothing known before it happened."""

from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from examples.gates_lax.pipeline import QUANTILE
from examples.gates_lax.source import CATEGORIES, FEATURES, NUMBERS, RECENT_HOURS, load
from headrace.scenario import EXAMPLES, load_scenario
from shared.contract import read_contract

CONTRACT = read_contract((EXAMPLES / "gates_lax" / "contract.yaml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def flights() -> pd.DataFrame:
    return load(datetime(2014, 1, 2, tzinfo=CONTRACT.zone))


def test_the_columns_are_those_of_the_contract(flights: pd.DataFrame) -> None:
    assert (set(NUMBERS), set(CATEGORIES)) == (set(CONTRACT.numbers), set(CONTRACT.categories))
    assert set(flights.columns) == {CONTRACT.event_time, "known_at", CONTRACT.label.name, *FEATURES}


def test_every_value_and_every_label_lies_within_what_the_contract_allows(flights: pd.DataFrame) -> None:
    for name in NUMBERS:
        low, high = CONTRACT.features[name].range or (0.0, 0.0)
        assert flights[name].dropna().between(low, high).all(), name
    low, high = CONTRACT.label.range or (0.0, 0.0)
    assert flights["minutes"].dropna().between(low, high).all()


def test_a_flight_that_never_arrived_has_no_label(flights: pd.DataFrame) -> None:
    assert flights["minutes"].isna().equals(flights["known_at"].isna())
    assert 0 < flights["minutes"].isna().sum() < 200
    assert not load_scenario("gates").simulated


def test_the_minutes_of_the_last_hours_are_of_flights_that_had_arrived(flights: pd.DataFrame) -> None:
    flight = flights[flights["recent_minutes"].notna()].iloc[500]
    since = flight["pushback_at"] - pd.Timedelta(hours=RECENT_HOURS)
    before = flights[flights["known_at"].between(since, flight["pushback_at"])]
    assert flight["recent_minutes"] == np.median(before["minutes"])


def test_an_earlier_moment_gives_the_same_rows_without_the_later_ones(flights: pd.DataFrame) -> None:
    until = datetime(2013, 3, 1, tzinfo=CONTRACT.zone)
    earlier = load(until)
    assert earlier["pushback_at"].max() < pd.Timestamp(until)
    assert earlier["pushback_at"].max() > pd.Timestamp(until) - timedelta(days=1)
    pd.testing.assert_frame_equal(earlier, flights.head(len(earlier)))


def test_the_model_aims_at_the_quantile_that_the_costs_ask_for() -> None:
    assert CONTRACT.costs is not None
    assert float(CONTRACT.costs.under / (CONTRACT.costs.under + CONTRACT.costs.over)) == QUANTILE
