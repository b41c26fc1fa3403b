"""The SIMULATED applications before a moment: what the first model is trained on."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pandas as pd

from .applications import HISTORY_BEGINS, ZONE, between


def load(until: datetime) -> pd.DataFrame:
    """Return what was applied for before `until`; `known_at` is when it showed whether it was fraud."""
    end = until.astimezone(ZoneInfo(ZONE)).date() + timedelta(days=1)
    rows = between(HISTORY_BEGINS, max(end, HISTORY_BEGINS + timedelta(days=1)))
    return rows[rows["applied_at"] < pd.Timestamp(until)].reset_index(drop=True)
