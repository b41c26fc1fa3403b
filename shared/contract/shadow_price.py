"""Finds the price of a scarce decision at which the mean daily demand for it just fits its capacity."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

# Prices are multiples of 1/65,536 minor unit: exact in binary, so every machine derives the same policy.
STEP = 2.0**-16
MOST_ROUNDS = 30

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class DayScores:
    """Out-of-sample scores of one block: a sample of its rows, and how many rows it really had."""

    block: str
    volume: int
    scores: tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class Demand:
    """What a package's blocks would ask for; empty when nothing is known yet."""

    days: tuple[DayScores, ...] = field(default=())


def expected_costs(costs: Sequence[Sequence[int]], scores: Floats) -> Floats:
    """Expected cost, rows × decisions, bit for bit as `decide` sums it; one score column = P(positive)."""
    table = np.array(costs, dtype=np.float64)
    chances = [1.0 - scores[:, 0], scores[:, 0]] if scores.shape[1] == 1 else list(scores.T)
    total: Floats = chances[0][:, None] * table[:, 0]
    for chance, column in zip(chances[1:], table.T[1:], strict=True):
        total = total + chance[:, None] * column
    return total


class _Table:
    """The rows of a demand, decided under any prices."""

    def __init__(self, costs: Sequence[Sequence[int]], demand: Demand) -> None:
        days = [day for day in demand.days if day.scores]
        self.days = len(days)
        self.expected = expected_costs(costs, np.array([row for day in days for row in day.scores], dtype=np.float64))
        self._day = np.repeat(np.arange(len(days)), [len(day.scores) for day in days])
        self._weight = [day.volume / len(day.scores) for day in days]

    def mean(self, chosen: NDArray[np.bool_]) -> float:
        """Mean rows per day, summed exactly so that no machine's summing order matters."""
        counts = np.bincount(self._day[chosen], minlength=self.days).tolist()
        return math.fsum(count * weight for count, weight in zip(counts, self._weight, strict=True)) / self.days

    def price(self, place: int, limit: int, prices: Sequence[float], floor: float) -> float:
        """The smallest price, not below `floor`, that brings the demand down to the limit under the other prices."""
        priced = self.expected + np.array(prices)
        infinite = np.full(len(priced), math.inf)
        before = priced[:, :place].min(axis=1) if place else infinite
        after = priced[:, place + 1 :].min(axis=1) if place + 1 < priced.shape[1] else infinite
        own = self.expected[:, place]

        def fits(steps: int) -> bool:
            asked = own + steps * STEP
            return self.mean((asked < before) & (asked <= after)) <= limit

        low = round(floor / STEP)
        if fits(low):
            return low * STEP
        high = math.ceil(float(np.max(np.minimum(before, after) - own)) / STEP) + 2
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if fits(middle) else (middle, high)
        return high * STEP


def shadow_prices(costs: Sequence[Sequence[int]], limits: Sequence[int | None], demand: Demand) -> tuple[float, ...]:
    """Price per decision: 0 where mean demand ≤ limit, or no limit; else the smallest that brings it down to that.

    Several caps: a dearer decision only adds demand to the others, so prices that rise in turn from 0 end at the
    smallest that fit together, as in an ascending auction. Where they chase each other in tiny steps, prices that
    fall from above what anything is worth fit at every moment.

    >>> day = DayScores("2013-03-01", 3, ((0.5,), (0.6,), (0.9,)))
    >>> shadow_prices([(0, 100), (50, 50)], [None, 1], Demand((day,)))
    (0.0, 10.0)
    """
    capped = [(place, limit) for place, limit in enumerate(limits) if limit is not None]
    prices = [0.0] * len(costs)
    if not capped or not any(day.scores for day in demand.days):
        return tuple(prices)
    table = _Table(costs, demand)
    if _settle(table, capped, prices, rising=True):
        return tuple(prices)
    beyond = float(np.ptp(table.expected)) + 1.0
    falling = [0.0 if limit is None else math.ceil(beyond) for limit in limits]
    _settle(table, capped, falling, rising=False)
    return tuple(falling)


def _settle(table: _Table, capped: Sequence[tuple[int, int]], prices: list[float], rising: bool) -> bool:
    """Set each price in turn until none moves; False where they still moved after the last round."""
    for _ in range(MOST_ROUNDS):
        before = list(prices)
        for place, limit in capped:
            prices[place] = table.price(place, limit, prices, floor=prices[place] if rising else 0.0)
        if prices == before:
            return True
    return False


def wanted_per_day(costs: Sequence[Sequence[int]], prices: Sequence[float], demand: Demand) -> tuple[float, ...]:
    """Mean rows per day that want each decision under these prices, before any hard cap."""
    if not any(day.scores for day in demand.days):
        return (0.0,) * len(costs)
    table = _Table(costs, demand)
    wanted = np.argmin(table.expected + np.array(prices), axis=1)
    return tuple(table.mean(wanted == place) for place in range(len(costs)))
