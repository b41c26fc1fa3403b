"""A disk that can be full: a small tmpfs under databases and spool; where nobody may mount, files that may not grow."""

import os
import resource
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Protocol

_MEGABYTES = 64
# What a full disk hits: everything that must not be lost on it.
PLACES = ("registry", "trainer", "monitor", "serving/spool")


class Disk(Protocol):
    """Full after `fill`, as before after `free`."""

    kind: str

    def fill(self) -> None:
        """No byte more."""

    def free(self) -> None:
        """Room again."""

    def remove(self) -> None:
        """The run is over."""


class SmallDisk:
    """A tmpfs of its own; databases and spool are links into it."""

    kind = f"tmpfs of {_MEGABYTES} MB"

    def __init__(self, home: Path) -> None:
        """Raises OSError or CalledProcessError where mounting is not allowed."""
        self._root = home / "small_disk"
        self._root.mkdir(parents=True)
        mount = ["mount", "-t", "tmpfs", "-o", f"size={_MEGABYTES}m,mode=700", "tmpfs", str(self._root)]
        subprocess.run(mount, check=True, capture_output=True)
        for place in PLACES:
            (self._root / place).mkdir(parents=True)
            (home / place).parent.mkdir(parents=True, exist_ok=True)
            (home / place).symlink_to(self._root / place)

    def fill(self) -> None:
        """Write until the kernel refuses."""
        handle = os.open(self._root / "filler", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        try:
            for size in (1 << 20, 1 << 12, 1):
                while True:
                    os.write(handle, bytes(size))
        except OSError:
            self._fill_rest(handle)
        finally:
            os.close(handle)

    def _fill_rest(self, handle: int) -> None:
        try:
            while True:
                os.write(handle, bytes(4096))
        except OSError:
            return

    def free(self) -> None:
        """Take the filler away."""
        (self._root / "filler").unlink(missing_ok=True)

    def remove(self) -> None:
        """Unmount; lazily, since a process that is just ending may still hold a file."""
        subprocess.run(["umount", "-l", str(self._root)], check=True, capture_output=True)


class LimitedFiles:
    """Where nobody may mount: no file of the running services may grow (RLIMIT_FSIZE), which they meet as EFBIG."""

    kind = "RLIMIT_FSIZE, since mounting is refused here"

    def __init__(self, processes: Callable[[], Iterable[int]]) -> None:
        self._processes = processes
        self._limited: list[int] = []

    def fill(self) -> None:
        """Every write behind the first byte of a file is refused."""
        self._limited = list(self._processes())
        self._set(1)

    def free(self) -> None:
        """Files may grow again."""
        self._set(resource.RLIM_INFINITY)
        self._limited = []

    def remove(self) -> None:
        """Nothing is left behind."""

    def _set(self, soft: int) -> None:
        for process in self._limited:
            try:
                _, hard = resource.prlimit(process, resource.RLIMIT_FSIZE)
                resource.prlimit(process, resource.RLIMIT_FSIZE, (soft, hard))
            except ProcessLookupError:
                continue


def small_disk(home: Path, processes: Callable[[], Iterable[int]]) -> Disk:
    """The real thing where the machine allows it."""
    try:
        return SmallDisk(home)
    except (OSError, subprocess.CalledProcessError):
        return LimitedFiles(processes)
