"""The one clock: event time that moves in steps, and the only module that reads the machine's time."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Literal

from shared.spine import metrics
from shared.spine.errors import TransientError

log = logging.getLogger(__name__)

Step = Callable[[datetime], Awaitable[None]]
# One that fails may be somebody's restart; so many in a row are a standstill.
FAILURES_OF_A_STANDSTILL = 3


def wall_now() -> datetime:
    """The machine's time, for ids, logs and answers; never decides what stands in the ledger."""
    return datetime.now(UTC)


def wall_seconds() -> float:
    """The same as seconds since 1970."""
    return time.time()


def monotonic() -> float:
    """Seconds that never go back: leases, backoff, deadlines, watchdogs."""
    return time.monotonic()


class Clock:
    """Event time. In production it follows the wall in steps; in a replay `time_advanced` moves it.

    Timers (block end, labels given up, cooldown, schedule) run as steps, one after the other, in the order in which
    they were registered. A step may run again for the same time: steps must be idempotent.
    """

    def __init__(self, mode: Literal["wall", "replay"] = "wall", now: datetime | None = None) -> None:
        self.mode = mode
        self._now = now
        self._steps: list[Step] = []
        self._moving = asyncio.Lock()
        # Why nothing moves; empty while steps come to their end.
        self.fault = ""

    @property
    def known(self) -> datetime | None:
        """Event time, or None in a replay that has not begun."""
        return wall_now() if self.mode == "wall" else self._now

    def now(self) -> datetime:
        """Event time; raises TransientError in a replay that has not begun."""
        if self.known is None:
            raise TransientError("the replay has not begun: no time_advanced yet")
        return self.known

    def on_step(self, step: Step) -> Step:
        """Register a timer."""
        self._steps.append(step)
        return step

    def set(self, now: datetime) -> None:
        """Restore the time after a restart, without running steps."""
        self._now = max(now, self._now) if self._now else now

    async def advance(self, now: datetime) -> None:
        """Move to `now`, never back, and run every step for where the clock stands then.

        An earlier time comes again when a sender repeats itself: no step may look at it as if it were the present.
        """
        async with self._moving:
            self.set(now)
            stands_at = self._now or now
            for step in self._steps:
                await step(stands_at)

    async def follow_wall(self, seconds: float, service: str) -> None:
        """Step for ever, every `seconds` of wall clock; a failure is logged and waits for the next step."""
        failed = 0
        while True:
            try:
                await self.advance(wall_now())
                failed, self.fault = 0, ""
            except Exception as error:
                log.exception("a clock step failed; the next one tries again")
                failed += 1
                if failed >= FAILURES_OF_A_STANDSTILL:
                    whose = "".join(f" of {note}" for note in getattr(error, "__notes__", ()))
                    self.fault = f"{failed} clock steps in a row have failed, the last{whose} with {error!r}"[:300]
            metrics.SPINE_FAILED_CLOCK_STEPS.labels(service).set(failed)
            await asyncio.sleep(seconds)


def on_step(clock: Clock) -> Callable[[Step], Step]:
    """Decorator form of `clock.on_step`."""
    return clock.on_step
