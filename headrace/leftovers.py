"""Waits for the processes of a supervisor that was killed, so that its ports and directories are free again."""

import os
import signal
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from threading import Event

from headrace.run_info import last_run_info, remove_run_info
from shared.spine.clock import monotonic

MARK = "HEADRACE_SUPERVISED_HOME"


def clear_leftovers(home: Path, stopping: Event, patience_seconds: float) -> None:
    """Let what an earlier supervisor left end by itself, then make it end; only Linux can tell, elsewhere a no-op."""
    info = last_run_info(home)
    if info is None:
        return
    pids = [info.kafka_pid, *(service.pid for service in info.services.values())]
    deadline = monotonic() + patience_seconds
    while (left := _ours(home, pids)) and monotonic() < deadline and not stopping.is_set():
        stopping.wait(0.1)
    for pid in left:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)
    remove_run_info(home)


def _ours(home: Path, pids: Iterable[int | None]) -> list[int]:
    # A number may have been given to a stranger meanwhile: only the mark in its environment proves whose it is.
    mark = f"{MARK}={home}".encode()
    return [pid for pid in pids if pid is not None and mark in _environment(pid).split(b"\0")]


def _environment(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return b""
