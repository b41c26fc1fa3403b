"""Conformal ranks: how rare a block is among its like, and the evidence that many rare blocks make together."""

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
# Evidence is capped here: it stays a finite number in every event.
LARGEST = 1e150
_KAPPAS = np.arange(1, 9) / 9
# Half of the weight lies on starts within so many steps: a change soon after a release, or after some weeks of it.
HALF_OF_THE_STARTS = 50.0
_SMALLEST_P = 1e-100


def uniform_of(*parts: object) -> float:
    """Return a number in (0, 1) that depends on the parts alone: draws that a replay repeats, in any order.

    >>> uniform_of(0, "flights", 1, "2013-04-01") == uniform_of(0, "flights", 1, "2013-04-01")
    True
    """
    text = "\x1f".join(str(part) for part in parts)
    return (int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "big") + 0.5) / 2**48


def conformal_p(history: ArrayLike, new: float, uniform: float) -> float:
    """Return the randomised rank of `new` among the history and itself: small when it is larger than most.

    Exactly uniform on (0, 1) when all are exchangeable; ties are broken by `uniform`.

    >>> conformal_p([1.0, 2.0, 3.0], 4.0, uniform=0.5)
    0.125
    >>> conformal_p([1.0, 2.0, 3.0], 2.0, uniform=0.5)
    0.5
    """
    past = np.asarray(history, dtype=np.float64)
    above, equal = int((past > new).sum()), int((past == new).sum())
    return (above + uniform * (equal + 1)) / (len(past) + 1)


def e_of_p(p: ArrayLike) -> Floats:
    """Return the evidence in p-values: the mean over eight κ of κ·p^(κ-1), whose mean is 1 for a uniform p.

    >>> e_of_p([1.0, 0.1, 0.001]).round(2).tolist()
    [0.5, 1.35, 22.2]
    """
    ps = np.maximum(np.asarray(p, dtype=np.float64), _SMALLEST_P)
    return np.asarray((_KAPPAS * ps[..., None] ** (_KAPPAS - 1)).mean(axis=-1))


def start_weights(count: int, half: float = HALF_OF_THE_STARTS) -> Floats:
    """Return the weights h/((t+h-1)·(t+h)), h = `half`, of the start times t = 1, 2, …; all together sum to 1.

    They fall slowly, so that a change after two months costs little more evidence than one on the first day.

    >>> start_weights(50).sum().round(6).tolist()
    0.5
    >>> (1 / start_weights(51)[[0, 50]]).round().tolist()
    [51.0, 202.0]
    """
    t = np.arange(1, count + 1)
    return half / ((t + half - 1) * (t + half))


def e_sr(es: ArrayLike, half: float = HALF_OF_THE_STARTS) -> Floats:
    """Return the e-process after each step, of "from some step on, these e-values are too large".

    Shiryaev and Roberts, mixed over start times (e-detectors of Shin, Ramdas and Rinaldo, 2024) with weights that sum
    to 1, half of them on the first `half` steps: a start that has not come holds its weight as cash. So it begins at 1,
    and P(any value ≥ 1/α) ≤ α. Steps run along the first axis; further axes are processes of their own.

    >>> e_sr([1.0, 1.0, 1.0]).round(9).tolist()
    [1.0, 1.0, 1.0]
    >>> e_sr([0.5, 0.5, 8.0, 8.0]).round(2).tolist()
    [0.99, 0.98, 1.2, 3.14]
    """
    steps = np.asarray(es, dtype=np.float64)
    weights = start_weights(len(steps), half)
    running, cash = np.zeros(steps.shape[1:]), 1.0
    values = np.empty(steps.shape)
    for t, weight in enumerate(weights):
        cash -= weight
        running = np.minimum(steps[t] * (running + weight), LARGEST)
        values[t] = running + cash
    return values


def e_process_of_p(ps: Sequence[float]) -> list[float]:
    """Return the e-process of p-values that are uniform, one after the other, when nothing changes.

    >>> e_process_of_p([])
    []
    """
    return e_sr(e_of_p(ps)).tolist() if len(ps) else []
