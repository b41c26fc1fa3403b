"""The sign test that may be looked at any day: positive on more than half of the blocks that are not zero?"""

from collections.abc import Sequence

import numpy as np

_BETS = (np.arange(64) + 0.5) / 64


def sign_e_process(signs: Sequence[float]) -> list[float]:
    """Return the e-value after each block, of "positive on more than half of the non-zero blocks".

    Only the sign counts; a zero changes nothing. Bets λ on a grid of (0, 1), mixed with equal weights: the mean over
    λ of Π (1 + λ·sign). Under "on half of them or fewer, whatever came before", P(any value ≥ 1/α) ≤ α (Ville).

    >>> [round(e, 2) for e in sign_e_process([1, 0, 1, -1])]
    [1.5, 1.5, 2.33, 0.92]
    >>> round(sign_e_process([1] * 9)[-1], 1)
    102.3
    """
    steps = np.sign(np.asarray(signs, dtype=np.float64))[:, None] * _BETS
    values: list[float] = np.exp(np.cumsum(np.log1p(steps), axis=0)).mean(axis=1).tolist()
    return values
