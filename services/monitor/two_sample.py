"""Rows that are exchangeable: each window against the pool of everything before it, in fixed bins. Pure.

The p-values are those of large samples (Kolmogorov and Smirnov, χ²); simulations say how far their promise holds.
A p-value against the fixed reference would be wrong: its error is the same in every window, and adds up.
"""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from shared.evidence.ranks import HALF_OF_THE_STARTS, e_of_p, e_sr

Floats = NDArray[np.float64]
Test = Callable[[Floats, Floats], Floats]
# So many windows are taken together: small changes need many rows, large ones should not wait for them.
SCALES = (1, 4, 16)
_TERMS = 12
_erfc = np.vectorize(math.erfc, otypes=[np.float64])


def pooled_evidence(pool: Floats, windows: Floats, test: Test) -> Floats:
    """Return the e-process of each column after each window, [windows, scales, …].

    `pool` […, bins] counts the reference, `windows` [windows, …, bins] the windows in order; between them any axes of
    columns. Every scale is an e-process of its own: they share α, so each alarms at len(SCALES)/α; its start times
    have the same weights in windows. A window without rows changes nothing.
    """
    evidence = np.ones((len(windows), len(SCALES), *windows.shape[1:-1]))
    for column, scale in enumerate(SCALES):
        groups = len(windows) // scale
        if not groups:
            continue
        counts = windows[: groups * scale].reshape(groups, scale, *windows.shape[1:]).sum(axis=1)
        before = pool + np.cumsum(counts, axis=0) - counts
        empty = (counts.sum(axis=-1) == 0) | (before.sum(axis=-1) == 0)
        es = np.where(empty, 1.0, e_of_p(test(before, counts)))
        evidence[scale - 1 :, column] = np.repeat(e_sr(es, HALF_OF_THE_STARTS / scale), scale, axis=0)[
            : len(windows) - scale + 1
        ]
    return evidence


def ks_p(before: Floats, counts: Floats) -> Floats:
    """Return p-values of "another distribution" for ordered bins along the last axis.

    >>> ks_p(np.array([[100.0, 100.0]]), np.array([[50.0, 50.0]])).tolist()
    [1.0]
    >>> ks_p(np.array([[100.0, 100.0]]), np.array([[90.0, 10.0]])).round(8).tolist()
    [0.0]
    """
    z = np.abs(_gaps(before, counts)).max(axis=-1) * _root_size(before, counts)
    k = np.arange(1, _TERMS + 1)
    series = 2 * ((-1.0) ** (k - 1) * np.exp(-2 * (k * z[..., None]) ** 2)).sum(axis=-1)
    # The series needs many terms near zero, where the answer is 1.
    return np.where(z < 0.25, 1.0, np.clip(series, 0.0, 1.0))


def ks_upward_p(before: Floats, counts: Floats) -> Floats:
    """Return p-values of "larger than before" for ordered bins along the last axis.

    >>> ks_upward_p(np.array([[100.0, 100.0]]), np.array([[90.0, 10.0]])).tolist()
    [1.0]
    """
    z = np.maximum(_gaps(before, counts).max(axis=-1), 0.0) * _root_size(before, counts)
    return np.asarray(np.exp(-2 * z**2))


def chi2_p(before: Floats, counts: Floats) -> Floats:
    """Return p-values of "other shares" for levels along the last axis (χ² by Wilson and Hilferty's cube root).

    >>> chi2_p(np.array([[500.0, 500.0]]), np.array([[56.0, 44.0]])).round(2).tolist()
    [0.25]
    """
    n, m = before.sum(axis=-1, keepdims=True), counts.sum(axis=-1, keepdims=True)
    both = before + counts
    seen = both > 0
    ratio = np.sqrt(np.maximum(m, 1) / np.maximum(n, 1))
    terms = (ratio * before - counts / ratio) ** 2 / np.where(seen, both, 1)
    freedom = np.maximum(seen.sum(axis=-1) - 1, 1)
    spread = 2 / (9 * freedom)
    z = (np.cbrt(terms.sum(axis=-1) / freedom) - (1 - spread)) / np.sqrt(spread)
    return np.asarray(np.where(seen.sum(axis=-1) < 2, 1.0, _erfc(z / math.sqrt(2)) / 2))


def _gaps(before: Floats, counts: Floats) -> Floats:
    shares = (one / np.maximum(one.sum(axis=-1, keepdims=True), 1) for one in (before, counts))
    earlier, now = (np.cumsum(one, axis=-1) for one in shares)
    return np.asarray(earlier - now)


def _root_size(before: Floats, counts: Floats) -> Floats:
    n, m = before.sum(axis=-1), counts.sum(axis=-1)
    return np.asarray(np.sqrt(n * m / np.maximum(n + m, 1)))
