"""The lock of the journal: a file that one process at a time may hold, for as long as it does not await."""

import asyncio
import fcntl
import os
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from shared.spine.clock import monotonic

T = TypeVar("T")


class SpoolBusyError(Exception):
    """Another process holds the lock for longer than we may wait: it may be stopped."""


class Lock(Generic[T]):
    """`async with lock as seen`: `look` runs first; a free lock costs no turn of the event loop.

    The body must not await, or it would let in a sibling of this process.
    """

    def __init__(self, path: Path, seconds: float, look: Callable[[], T]) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        self._seconds, self._look = seconds, look

    def close(self) -> None:
        """Close the file, which lets go of the lock too."""
        os.close(self._file)

    async def __aenter__(self) -> T:
        if not self._taken():
            await self._wait()
        return self._looked()

    async def __aexit__(self, *_: object) -> None:
        self.release()

    def take(self) -> T | None:
        """Take the lock if nobody holds it; then `release` must follow."""
        return self._looked() if self._taken() else None

    def release(self) -> None:
        """Let others in."""
        fcntl.flock(self._file, fcntl.LOCK_UN)

    def _looked(self) -> T:
        try:
            return self._look()
        except BaseException:
            self.release()
            raise

    async def _wait(self) -> None:
        deadline, wait = monotonic() + self._seconds, 0.0002
        while not self._taken():
            if monotonic() > deadline:
                raise SpoolBusyError("the spool is held by another worker")
            await asyncio.sleep(wait)
            wait = min(wait * 2, 0.01)

    def _taken(self) -> bool:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
