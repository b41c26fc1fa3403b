"""Proves that a server answers with scikit-learn's scores before its speed is looked at."""

from collections.abc import Sequence
from http.client import HTTPException

import numpy as np
from numpy.typing import NDArray

from benchmarks.serving.dialects import Record
from benchmarks.serving.environments import UnavailableError
from benchmarks.serving.targets import Target, post

ALONE = 100


def largest_difference(
    target: Target, records: Sequence[Record], expected: NDArray[np.float64], together: int = 100
) -> float:
    """Return the largest absolute difference over all records, asked so many at a time, and some of them alone.

    Raises UnavailableError when it does not answer all of them.
    """
    alone = ALONE if together < len(records) else 0
    parts = [records[place : place + 1] for place in range(alone)]
    parts += [records[place : place + together] for place in range(alone, len(records), together)]
    found: list[float] = []
    for part in parts:
        try:
            status, answer = post(target.port, target.dialect, part)
        except (OSError, HTTPException) as error:
            raise UnavailableError(f"no answer to {len(part)} records: {error!r}") from error
        if status != 200:
            raise UnavailableError(f"status {status} for {len(part)} records: {answer[:300]!r}")
        found += target.dialect.read(answer)
    if len(found) != len(expected):
        raise UnavailableError(f"{len(found)} scores for {len(expected)} records")
    return float(np.abs(np.asarray(found) - expected).max())
