"""How much error one look may spend: the share of an epoch, and the names that a bound on false names allows."""

import math
from collections.abc import Mapping


def spending(alpha: float, epoch: int) -> float:
    """Return the α of epoch 1, 2, …: 6·α/(π²·epoch²), so that all epochs together spend α.

    >>> [round(spending(0.05, epoch), 4) for epoch in (1, 2, 3)]
    [0.0304, 0.0076, 0.0034]
    """
    if epoch < 1:
        raise ValueError("epochs are counted from 1")
    return 6 * alpha / (math.pi**2 * epoch**2)


def e_bh(e_values: Mapping[str, float], alpha: float) -> list[str]:
    """Return the names whose evidence holds with a false discovery rate of at most α, the strongest first.

    The rule of Wang and Ramdas (2022): the k largest, for the largest k with k·e(k) ≥ n/α; under any dependence.

    >>> e_bh({"size": 70.0, "speed": 35.0, "hour": 1.0}, alpha=0.05)
    ['size', 'speed']
    """
    ranked = sorted(e_values, key=lambda name: (-e_values[name], name))
    most = max((k for k, name in enumerate(ranked, 1) if k * e_values[name] >= len(ranked) / alpha), default=0)
    return ranked[:most]
