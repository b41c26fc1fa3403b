"""How many events a second may tell of requests without an answer: a thousand of them must not fill the spool."""

from services.serving.answers import Missed
from shared.spine.clock import monotonic

TOLD_PER_SECOND = 20.0


class Allowance:
    """Each kind has its own: wrong clients must not hide a release that fails."""

    def __init__(self) -> None:
        self._left: dict[Missed, float] = {"refused": TOLD_PER_SECOND, "failed": TOLD_PER_SECOND}
        self._since = monotonic()

    def take(self, status: Missed) -> bool:
        """Take one; False when none is left."""
        now = monotonic()
        gained, self._since = (now - self._since) * TOLD_PER_SECOND, now
        for kind, left in self._left.items():
            self._left[kind] = min(TOLD_PER_SECOND, left + gained)
        if self._left[status] < 1:
            return False
        self._left[status] -= 1
        return True
