"""SIMULATED loan applications: nobody applied for any of these. The same day always gives the same rows."""

from datetime import date, timedelta

import numpy as np
import pandas as pd
from numpy.typing import NDArray

ZONE = "Europe/Berlin"
HISTORY_BEGINS = date(2025, 1, 6)
# A working day is five times as busy as a day of the weekend.
WEEKDAY, WEEKEND = 300, 60
# Before there was a model, everything was funded after a look at the papers: of these days every label is known.
NUMBERS = ["amount", "income", "term_months", "email_days", "device_loans", "hour"]
CATEGORIES = ["channel", "purpose"]
FEATURES = [*NUMBERS, *CATEGORIES]
CHANNELS = np.array(["branch", "web", "broker"], dtype=object)
PURPOSES = np.array(["car", "home", "debt", "other"], dtype=object)
Floats = NDArray[np.float64]


def one_day(day: date) -> pd.DataFrame:
    """Return the applications of a day in order of time, with what each would turn out to be if it were funded."""
    chance = np.random.default_rng(day.toordinal())
    count = int(chance.poisson(WEEKEND if day.isoweekday() > 5 else WEEKDAY))
    seconds = np.sort(chance.triangular(7 * 3600, 13 * 3600, 22 * 3600, count)).astype(np.int64)
    channel = chance.choice(CHANNELS, count, p=[0.25, 0.55, 0.2])
    email_days = chance.gamma(1.2, 700, count).round()
    device_loans = chance.poisson(0.25, count).astype(np.float64)
    amount = (chance.lognormal(8.6, 0.6, count) / 100).round() * 100
    income = (chance.lognormal(7.8, 0.35, count) / 10).round() * 10
    pressed = (
        1.3 * (channel == "web")
        - 0.0035 * np.minimum(email_days, 1500)
        + 1.1 * device_loans
        + 0.55 * amount / (income * 3)
        + 0.8 * (seconds > 20 * 3600)
    )
    fraud = chance.random(count) < 1 / (1 + np.exp(-(pressed - 3.1)))
    applied = pd.Timestamp(day, tz=ZONE) + pd.to_timedelta(seconds, unit="s")
    # Fraud shows when the first instalment is due, or a reviewer asks for papers that do not exist.
    known_after = pd.to_timedelta(chance.integers(24, 120, count), unit="h")
    return pd.DataFrame(
        {
            "applied_at": applied,
            "known_at": applied + known_after,
            "amount": amount.clip(500, 75_000),
            "income": income.clip(600, 20_000),
            "term_months": chance.choice([12.0, 24.0, 36.0, 60.0, 84.0], count),
            "email_days": email_days,
            "device_loans": device_loans,
            "hour": (seconds // 3600).astype(np.float64),
            "channel": channel,
            "purpose": chance.choice(PURPOSES, count),
            "outcome": np.where(fraud, "fraud", "good").astype(object),
        }
    )


def between(first: date, end: date) -> pd.DataFrame:
    """Return all applications from `first` up to, without, `end`."""
    days = (first + timedelta(days=place) for place in range((end - first).days))
    return pd.concat([one_day(day) for day in days], ignore_index=True)
