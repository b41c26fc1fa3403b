"""The flights that had left before a moment: what the first model is trained on."""

from datetime import datetime

import pandas as pd

from .flights import FEATURES, read_flights


def load(until: datetime) -> pd.DataFrame:
    """Return the flights with push-back before `until`; `known_at` is when the flight had landed."""
    flights = read_flights()
    flights = flights[flights["pushback_at"] < pd.Timestamp(until)]
    return flights.rename(columns={"landed_at": "known_at"})[["pushback_at", "known_at", *FEATURES, "late"]]
