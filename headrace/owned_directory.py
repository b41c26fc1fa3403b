"""One process at a time owns a directory: a lock that the kernel takes back when its holder ends, however it ends."""

import fcntl
import os
from pathlib import Path


class OwnedDirectory:
    """An exclusive claim on a directory, held by a lock file inside it that names the holder."""

    def __init__(self, directory: Path, lock_name: str) -> None:
        self._path = directory / lock_name
        self._descriptor: int | None = None

    @property
    def held(self) -> bool:
        """Whether this object holds the directory."""
        return self._descriptor is not None

    def claim(self) -> bool:
        """Take the directory; False when somebody else has it, True when this object has it already."""
        if self.held:
            return True
        self._path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        self._descriptor = descriptor
        return True

    def release(self) -> None:
        """Give the directory back; nothing happens when it is not held."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def holder(self) -> int | None:
        """The process that holds the directory now, None when nobody does."""
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            text = os.pread(descriptor, 32, 0).decode()
            return int(text) if text.isdigit() else None
        finally:
            os.close(descriptor)
        return None
