"""Waits of the chaos harness: for something that must come, or for a span that is itself the disturbance."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

from shared.spine.clock import monotonic


async def pause(seconds: float) -> None:
    """Let this much time pass."""
    with suppress(TimeoutError):
        await asyncio.wait_for(asyncio.Event().wait(), seconds)


async def until(holds: Callable[[], bool], seconds: float) -> bool:
    """Whether it holds in time."""
    end = monotonic() + seconds
    while not holds():
        if monotonic() > end:
            return False
        await pause(0.02)
    return True
