"""Bets on the mean of bounded values: one-sided e-processes, and the confidence sequences they carry.

After Waudby-Smith and Ramdas, "Estimating means of bounded random variables by betting" (2024); the bets are mixed
with the weights of Cover's universal portfolio (Orabona and Jun, 2021), heavy near "all" and near "nothing", so that
the best bet need not be known beforehand.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
BETS = 64
_HALVINGS = 60


def bet_fractions(bets: int = BETS) -> Floats:
    """Return shares of the largest bet that cannot lose everything; equal weights on them are the arcsine law."""
    return np.sin(np.pi * (np.arange(bets) + 0.5) / (2 * bets)) ** 2


def betting_e_process(
    values: Sequence[float], low: float, high: float, null_mean: float = 0.0, bets: int = BETS
) -> list[float]:
    """Return the e-value after each block, of "the mean is above `null_mean`"; values are clipped to [low, high].

    Under "the conditional mean of each clipped value is at most `null_mean`", P(any value ≥ 1/α) ≤ α (Ville).
    Raises ValueError unless low < null_mean < high.

    >>> [round(e, 2) for e in betting_e_process([0.5, 0.5, -0.5], low=-0.5, high=0.5)]
    [1.5, 2.38, 0.81]
    >>> round(betting_e_process([0.5] * 9, -0.5, 0.5)[-1])
    139
    """
    if not low < null_mean < high:
        raise ValueError(f"a mean of {null_mean} is not between {low} and {high}")
    evidence: list[float] = _mixed(_capital(_clipped(values, low, high), low, null_mean, bets)).tolist()
    return evidence


def confidence_lower_bound(values: Sequence[float], low: float, high: float, alpha: float, bets: int = BETS) -> float:
    """Return a bound that lies, at all times at once with probability 1 - α, below the mean of the clipped values.

    It is the largest mean that the e-process has rejected so far; `low` while it has rejected none.

    >>> confidence_lower_bound([], -0.5, 0.5, 0.05)
    -0.5
    >>> round(confidence_lower_bound([0.3] * 60, -0.5, 0.5, 0.05), 2)
    0.25
    """
    clipped = _clipped(values, low, high)
    rejected, kept = low, high
    for _ in range(_HALVINGS if len(clipped) else 0):
        middle = (rejected + kept) / 2
        if not low < middle < high:
            break
        if float(_mixed(_capital(clipped, low, middle, bets)).max()) >= 1 / alpha:
            rejected = middle
        else:
            kept = middle
    return rejected


def confidence_upper_bound(values: Sequence[float], low: float, high: float, alpha: float, bets: int = BETS) -> float:
    """Return the bound on the other side: above the mean, at all times at once, with probability 1 - α.

    >>> round(confidence_upper_bound([0.3] * 60, -0.5, 0.5, 0.05), 2)
    0.31
    """
    return -confidence_lower_bound([-value for value in values], -high, -low, alpha, bets)


def _clipped(values: Sequence[float], low: float, high: float) -> Floats:
    if not low < high:
        raise ValueError(f"{low} is not below {high}")
    found = np.asarray(values, dtype=np.float64)
    if np.isnan(found).any():
        raise ValueError("a value is not a number")
    return np.clip(found, low, high)


def _capital(values: Floats, low: float, mean: float, bets: int) -> Floats:
    """Return the logarithm of each bet's capital, [blocks, bets]."""
    factors = 1 + bet_fractions(bets) * ((values - mean) / (mean - low))[:, None]
    return np.cumsum(np.log(factors), axis=0)


def _mixed(log_capital: Floats) -> Floats:
    """Return the mean capital over the bets; beyond the largest float it stays there."""
    top = log_capital.max(axis=1, initial=-np.inf)
    mean = top + np.log(np.exp(log_capital - top[:, None]).mean(axis=1))
    return np.asarray(np.exp(np.minimum(mean, 690.0)))
