"""The mean of many rows from what a model expects of them, corrected by the few whose outcome was looked up at random.

Prediction-powered inference (Angelopoulos et al., 2023) for a finite population, known to survey statisticians as the
difference estimator: mean expectation of all rows + mean of (outcome - expectation) over the random sample. It is
unbiased whatever the model expects; the better the model, the narrower the interval.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
# With fewer looked-up rows the interval says more than they know: one rare, dear outcome may not be among them.
LEAST_AUDITED = 20
_Z = 1.959963984540054


class Interval(NamedTuple):
    """A mean per row with its plain 95 % interval: one look, no sequence."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class AuditSums:
    """Sums that any number of blocks can be added of; `gap` is outcome less expectation, over the audited rows.

    `spread` is the sum of the variances that all rows' outcomes have if the expectations are right.

    >>> AuditSums.of(np.array([0.2, 0.2, 0.4]), np.array([1.0, 0.0, 0.0]), np.array([True, True, False]))
    AuditSums(rows=3, expected=0.8, audited=2, gap=0.6, gap_square=0.68, spread=0.0)
    """

    rows: int = 0
    expected: float = 0.0
    audited: int = 0
    gap: float = 0.0
    gap_square: float = 0.0
    spread: float = 0.0

    @classmethod
    def of(
        cls, expected: Floats, outcome: Floats, audited: NDArray[np.bool_], variance: Floats | None = None
    ) -> "AuditSums":
        """Return the sums of expected[rows] and outcome[rows]; outcomes that were not audited are not looked at.

        `variance` [rows]: what the outcome of a row varies by when the expectation is right, where that is known.
        """
        gaps = outcome[audited] - expected[audited]
        return cls(
            rows=len(expected),
            expected=round(float(expected.sum()), 9),
            audited=len(gaps),
            gap=round(float(gaps.sum()), 9),
            gap_square=round(float((gaps**2).sum()), 9),
            spread=0.0 if variance is None else round(float(variance.sum()), 9),
        )

    def __add__(self, more: "AuditSums") -> "AuditSums":
        return AuditSums(
            self.rows + more.rows,
            self.expected + more.expected,
            self.audited + more.audited,
            self.gap + more.gap,
            self.gap_square + more.gap_square,
            self.spread + more.spread,
        )


def corrected_mean(sums: AuditSums) -> Interval | None:
    """Return the corrected mean and its interval; None with fewer than LEAST_AUDITED audited rows.

    The audited rows are a random part of the rows, so that what was looked up for all of them has no error left. Few
    of them often miss the rare, dear outcome: their gaps are taken to vary at least as much as the rows expect.

    >>> rows = AuditSums(rows=1000, expected=200.0, audited=50, gap=5.0, gap_square=12.5)
    >>> [round(number, 3) for number in corrected_mean(rows)]
    [0.3, 0.163, 0.437]
    >>> corrected_mean(AuditSums(rows=1000, expected=200.0, audited=19)) is None
    True
    """
    n = sums.audited
    if n < LEAST_AUDITED:
        return None
    mean_gap = sums.gap / n
    seen = (sums.gap_square - n * mean_gap**2) / (n - 1)
    variance = max(seen, sums.spread / sums.rows, 0.0)
    error = math.sqrt(variance / n * max(1 - n / sums.rows, 0.0))
    mean = sums.expected / sums.rows + mean_gap
    half = _student(n - 1) * error
    return Interval(mean, mean - half, mean + half)


def _student(freedom: int) -> float:
    """Student's 97.5 % quantile, by the first terms of its expansion around the normal one."""
    z, n = _Z, freedom
    return z + (z**3 + z) / (4 * n) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * n**2)
