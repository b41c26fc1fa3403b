"""Another team's view of the same flights: a join that lost most late arrivals, so that nearly all seem on time.

What is fitted on it hardly acts. The demo forces it into production, to see labels take it back.
"""

from datetime import datetime

import numpy as np
import pandas as pd

from .source import load as load_all

KEPT_SHARE = 0.15


def load(until: datetime) -> pd.DataFrame:
    """Return the flights before `until`; of each hundred late ones about 85 are said to be on time."""
    flights = load_all(until)
    late = (flights["late"] == "late").to_numpy(dtype=bool)
    # Which ones are kept depends on the row alone, so that the same rows always give the same model.
    draw = pd.util.hash_pandas_object(flights[["pushback_at", "carrier", "dest"]], index=False).to_numpy()
    lost = late & (draw.astype(np.float64) / 2.0**64 >= KEPT_SHARE)
    return flights.assign(late=flights["late"].mask(lost, "on_time"))
