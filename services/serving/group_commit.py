"""Group commit: all who wait until what they wrote is on the disk share one fsync."""

import asyncio
import os


class GroupCommit:
    """One for each journal that a worker has open."""

    def __init__(self) -> None:
        self._syncing: asyncio.Task[None] | None = None

    async def durable(self, file: int) -> None:
        """Return once all that was written to the file before is on the disk."""
        # The sync that runs may have begun before our write: wait for it, then share the next one.
        running = self._syncing
        if running is not None and not running.done():
            await asyncio.shield(running)
        if self._syncing is running or self._syncing is None:
            self._syncing = asyncio.create_task(_sync(file), name="fsync")
        await asyncio.shield(self._syncing)


async def _sync(file: int) -> None:
    handle = os.dup(file)
    try:
        await asyncio.to_thread(os.fsync, handle)
    finally:
        os.close(handle)
