"""Capacity counted one decision at a time: what deciding many rows at once is compared with."""

from collections import Counter, defaultdict
from collections.abc import Mapping


class CapacityCount:
    """Counts what capped decisions have taken, block by block; in memory, for one policy's limits."""

    def __init__(self, limits: Mapping[str, int], used: Mapping[str, Mapping[str, int]] | None = None) -> None:
        self._limits = dict(limits)
        self._used: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for block, taken in (used or {}).items():
            self._used[block].update(taken)

    def left(self, block: str) -> dict[str, int]:
        """What each capped decision has left in this block."""
        used = self._used[block]
        return {name: limit - used[name] for name, limit in self._limits.items()}

    def used(self, block: str) -> dict[str, int]:
        """What each capped decision has taken in this block."""
        return {name: self._used[block][name] for name in self._limits}

    def take(self, block: str, decision: str) -> int | None:
        """The place this decision takes, counted from 1; None where it has no cap; ValueError where nothing is left."""
        limit = self._limits.get(decision)
        if limit is None:
            return None
        used = self._used[block]
        if used[decision] >= limit:
            raise ValueError(f"{decision} has taken all {limit} of {block}")
        used[decision] += 1
        return used[decision]
