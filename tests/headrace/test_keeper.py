"""What ends unexpectedly is started again, also when a start fails, until somebody wants to stop."""

from queue import Queue
from threading import Event

import pytest

from headrace.keeper import Keeper, next_pause


class Fragile:
    """A part that ends when the test says so, and whose first restart fails."""

    name = "fragile"

    def __init__(self) -> None:
        self.ended = Event()
        self.starts: Queue[str] = Queue()
        self._fail = True

    def start(self) -> None:
        if self._fail:
            self._fail = False
            self.starts.put("failed")
            raise OSError("not yet")
        self.ended.clear()
        self.starts.put("started")

    def wait(self) -> None:
        self.ended.wait()

    def stop(self) -> None:
        self.ended.set()


def test_pauses_double_up_to_the_longest_and_a_healthy_life_forgives() -> None:
    pause, pauses = 0.0, []
    for _ in range(8):
        pause = next_pause(pause, lived_seconds=0.5)
        pauses.append(pause)
    assert pauses == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]
    assert next_pause(5.0, lived_seconds=30.0) == pytest.approx(0.1)


def test_a_start_that_fails_is_tried_again_and_nothing_starts_after_the_end() -> None:
    part, stopping, changes = Fragile(), Event(), Queue[None]()
    keeper = Keeper(part, stopping, lambda: changes.put(None))
    keeper.begin()
    part.ended.set()
    assert part.starts.get(timeout=10) == "failed"
    assert part.starts.get(timeout=10) == "started"
    changes.get(timeout=10)
    changes.get(timeout=10)
    stopping.set()
    keeper.finish()
    assert part.starts.empty()
