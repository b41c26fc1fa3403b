"""Children never outlive their parent: the kernel ends them, and where it cannot, they look for themselves."""

import asyncio
import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def die_with(parent: int) -> None:
    """Ask the kernel to kill this process when `parent` dies; exit at once if it is dead already."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        raise SystemExit("the parent is gone")


async def watch(parent: int) -> None:
    """Leave hard when the parent is gone: whatever is acknowledged is in the journal."""
    while True:
        if os.getppid() != parent:
            os._exit(1)
        await asyncio.sleep(0.5)
