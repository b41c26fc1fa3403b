"""What an attack could leave behind: rows, files, events, and acts that the interpreter itself reports."""

import hashlib
import os
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import msgspec

from services.serving.reader import Reader

# Reported by Python's audit hooks, whatever library does it: leaving the process, starting another, unpickling.
_ACTS = {
    *("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto", "urllib.Request"),
    *("subprocess.Popen", "os.system", "os.exec", "os.fork", "os.posix_spawn", "pickle.find_class"),
}
_FILE_ACTS = {"os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.symlink", "os.link"}
_watching: list["Watch"] = []


class Watch:
    """Collects what happens outside of one folder."""

    def __init__(self, home: Path) -> None:
        self.home = str(home)
        self.acts: list[str] = []

    def see(self, event: str, args: tuple[Any, ...]) -> None:
        """Take in one report of the interpreter."""
        if event == "open":
            path, _mode, flags = args
            writes = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
            if writes and isinstance(path, str | bytes) and not self._is_ours(path):
                self.acts.append(f"open {path!r}")
        elif event in _FILE_ACTS:
            if not self._is_ours(args[0], args[-1]):
                self.acts.append(f"{event} {args!r:.200}")
        elif event in _ACTS:
            self.acts.append(f"{event} {args!r:.200}")

    def _is_ours(self, path: str | bytes, directory: int = -1) -> bool:
        name = os.fsdecode(path)
        if directory >= 0:
            name = os.path.join(os.readlink(f"/proc/self/fd/{directory}"), name)
        # Python writes compiled modules at their first import.
        return name.startswith(self.home) or "__pycache__" in name or name == os.devnull


def _hook(event: str, args: tuple[Any, ...]) -> None:
    for watch in _watching:
        watch.see(event, args)


sys.addaudithook(_hook)


@contextmanager
def watched(home: Path) -> Iterator[Watch]:
    """Collect while the block runs; an audit hook can never be taken out again, so it stays and hears nobody."""
    watch = Watch(home)
    _watching.append(watch)
    try:
        yield watch
    finally:
        _watching.remove(watch)


def traces(home: Path) -> dict[str, str]:
    """Everything that lasts below `home`: each row, each file, each event of serving that decides or tells."""
    found: dict[str, str] = {}
    for path in sorted(home.rglob("*")):
        name = path.relative_to(home).as_posix()
        if path.suffix == ".db":
            found |= {f"{name} {number}": row for number, row in enumerate(_rows(path))}
        elif path.is_symlink() or not (path.is_dir() or path.suffix in (".db-wal", ".db-shm", ".seg", ".lock")):
            found[name] = hashlib.sha256(b"" if path.is_symlink() else path.read_bytes()).hexdigest()
        elif path.is_dir() and not any(path.iterdir()):
            found[name] = "an empty folder"
    return found | _journal(home / "serving" / "spool")


def _rows(path: Path) -> list[str]:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        return list(database.iterdump())


def _journal(spool: Path) -> dict[str, str]:
    """Serving writes down that it refused, a few times a second; that event may hold nothing but the refusal."""
    found = {}
    for number, (message, body) in enumerate(Reader(spool).next_batch(1_000_000).events):
        said = msgspec.json.decode(body)
        if said.get("status") not in ("refused", "failed") or said["scores"] or said["decisions"]:
            found[f"event {number} {message.topic}"] = body.decode()
    return found
