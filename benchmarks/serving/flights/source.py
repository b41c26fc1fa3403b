"""New York's flights of 2013 with the columns of the benchmark."""

from datetime import datetime

import pandas as pd

from examples.flights_late.flights import read_flights

from .columns import CATEGORIES, NUMBERS


def load(until: datetime) -> pd.DataFrame:
    """Return the flights with push-back before `until`; `known_at` is when the flight had landed."""
    flights = read_flights()
    flights = flights[flights["pushback_at"] < pd.Timestamp(until)]
    flights = flights.assign(weekday=flights["pushback_at"].dt.day_name().astype(object))
    flights = flights.rename(columns={"landed_at": "known_at"})
    return flights[["pushback_at", "known_at", *NUMBERS, *CATEGORIES, "late"]]
