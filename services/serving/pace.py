"""PURE: how fast a backlog may go: a Kafka that has just come back must not be flooded.

A backlog is what waits when the shipper starts or a send has failed. It may shrink by so many bytes a second; what is
answered meanwhile goes on top, so that a busy host catches up as surely as an idle one.
"""


class Pace:
    """`bytes_per_second` 0: no limit."""

    def __init__(self, bytes_per_second: float) -> None:
        self._rate = bytes_per_second
        # So many bytes must go on waiting for now.
        self._floor = self._at = 0.0

    def begin(self, waiting: int, now: float) -> None:
        """All that waits is a backlog from now on."""
        self._floor, self._at = float(waiting), now

    def pause(self, waiting: int, size: int, now: float) -> float:
        """Return how many seconds to wait before `size` of the `waiting` bytes may go."""
        if not self._rate:
            return 0.0
        self._floor = max(0.0, self._floor - (now - self._at) * self._rate)
        self._at = now
        return max(0.0, (self._floor - (waiting - size)) / self._rate)
