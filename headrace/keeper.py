"""Starts a process again whenever it ends unexpectedly: at once the first time, then with growing pauses."""

import logging
from collections.abc import Callable
from threading import Event, Thread
from typing import Protocol

from shared.spine.clock import monotonic

log = logging.getLogger(__name__)

FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 5.0
HEALTHY_AFTER_SECONDS = 30.0


class Part(Protocol):
    """What can be kept running."""

    name: str

    def start(self) -> object:
        """Start it; may raise, and is then tried again."""

    def wait(self) -> None:
        """Return when it has ended."""

    def stop(self) -> None:
        """End it."""


def next_pause(pause_seconds: float, lived_seconds: float) -> float:
    """The pause before the next start, from the last pause and how long the part has lived.

    >>> [next_pause(p, lived_seconds=1.0) for p in (0.0, 0.1, 4.0)]
    [0.1, 0.2, 5.0]
    >>> next_pause(5.0, lived_seconds=31.0)
    0.1
    """
    if lived_seconds >= HEALTHY_AFTER_SECONDS:
        return FIRST_PAUSE_SECONDS
    return min(max(2 * pause_seconds, FIRST_PAUSE_SECONDS), LONGEST_PAUSE_SECONDS)


class Keeper:
    """A thread that keeps one part running until `stopping` is set and the part has ended."""

    def __init__(self, part: Part, stopping: Event, changed: Callable[[], None]) -> None:
        self._part = part
        self._stopping = stopping
        self._changed = changed
        self._thread = Thread(target=self._keep, name=f"keeper-{part.name}", daemon=True)

    def begin(self) -> None:
        """Watch from now on; the part runs already."""
        self._thread.start()

    def finish(self) -> None:
        """After `stopping` is set: end the part, whatever the keeper was about to do with it."""
        self._part.stop()
        while self._thread.is_alive():
            self._thread.join(0.05)
            self._part.stop()

    def _keep(self) -> None:
        pause = 0.0
        started = monotonic()
        while True:
            self._part.wait()
            if self._stopping.is_set():
                return
            pause = next_pause(pause, monotonic() - started)
            log.warning("ended unexpectedly, starting it again", extra={"part": self._part.name, "pause": pause})
            if self._stopping.wait(pause):
                return
            started = monotonic()
            try:
                self._part.start()
            except Exception:
                log.exception("could not be started again", extra={"part": self._part.name})
            self._changed()
