"""SIMULATED parcels: the last 60 days before a moment, the same for the same day whenever it is asked."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd

DAYS = 60
PARCELS_A_DAY = 120
CARRIERS = np.array(["north", "south", "west"], dtype=object)


def load(until: datetime) -> pd.DataFrame:
    """Return what was ordered before `until`; `known_at` is when it was seen whether the parcel came late."""
    today = until.astimezone(UTC).date()
    days = [today - timedelta(days=back) for back in range(DAYS, -1, -1)]
    parcels = pd.concat([_one_day(pd.Timestamp(day, tz="UTC")) for day in days], ignore_index=True)
    return parcels[parcels["ordered_at"] < pd.Timestamp(until)]


def _one_day(midnight: pd.Timestamp) -> pd.DataFrame:
    chance = np.random.default_rng(midnight.date().toordinal())
    seconds = np.sort(chance.integers(0, 86_400, PARCELS_A_DAY))
    distance = chance.gamma(2.0, 180.0, PARCELS_A_DAY).clip(1, 4_000).round(1)
    weight = chance.gamma(1.5, 3.0, PARCELS_A_DAY).clip(0.1, 60).round(1)
    carrier = chance.choice(CARRIERS, PARCELS_A_DAY)
    slow = 0.004 * distance + 0.05 * weight + 1.2 * (carrier == "west") + 0.9 * (seconds > 61_200) - 4.2
    late = chance.random(PARCELS_A_DAY) < 1 / (1 + np.exp(-slow))
    ordered = midnight + pd.to_timedelta(seconds, unit="s")
    return pd.DataFrame(
        {
            "ordered_at": ordered,
            "known_at": ordered + pd.Timedelta(days=1),
            "distance": distance,
            "weight": weight,
            "hour": (seconds // 3600).astype(float),
            "carrier": carrier,
            "late": np.where(late, "late", "on_time").astype(object),
        }
    )
