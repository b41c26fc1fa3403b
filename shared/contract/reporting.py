"""The section of a contract that says how often a report goes out by itself."""

from __future__ import annotations

from typing import Literal

from shared.contract.frozen import Frozen


class Reporting(Frozen):
    """How often a report goes out to owner and sponsors: for each whole day, week (from Monday) or month."""

    every: Literal["day", "week", "month"]
