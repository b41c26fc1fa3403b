"""A column's counts in a few groups: enough to compare one block with another, small enough to be kept per block."""

import numpy as np

from shared.package.bins import CategoryLevels, NumberBins

GROUPS = 16


def coarse(bins: NumberBins | CategoryLevels) -> tuple[int, ...]:
    """Return at most GROUPS neighbouring groups of bins, or of levels by rank; then other, then null.

    >>> coarse(NumberBins(edges=(0.0, 1.0), counts=(1, 2, 3), other=4, nulls=5))
    (1, 2, 3, 4, 5)
    """
    slots = len(bins.counts)
    if slots > GROUPS:
        starts = np.arange(GROUPS) * slots // GROUPS
        grouped = np.add.reduceat(np.array(bins.counts, dtype=np.int64), starts).tolist()
    else:
        grouped = list(bins.counts)
    return (*grouped, bins.other, bins.nulls)
