"""How long an event may wait for its package before it counts as one that never comes."""

from shared.spine.clock import monotonic

MOST = 10_000


class Patience:
    """Remembers, in memory, when an event was first seen; a restart begins anew."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._first: dict[str, float] = {}

    def is_over(self, event_id: str) -> bool:
        """True once the time is up; the event is then forgotten."""
        first = self._first.setdefault(event_id, monotonic())
        if len(self._first) > MOST:
            self._first.pop(next(iter(self._first)))
        if monotonic() - first < self._seconds:
            return False
        self._first.pop(event_id, None)
        return True
