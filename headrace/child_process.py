"""Starts child processes that cannot outlive this one and do not hear Ctrl-C from the terminal."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from threading import Event

# The kernel sends the parent-death signal when the *thread* that started the child ends: one thread, alive until the
# interpreter ends, starts all children.
_spawner = ThreadPoolExecutor(max_workers=1, thread_name_prefix="spawner")

# Runs in the child before the real program: asking there, and not in a preexec_fn, keeps Python code out of a fork of a
# process with threads. A parent that died before the question was asked is seen by its changed number.
_LAUNCHER = """
import ctypes, os, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, int(sys.argv[1]))
    if os.getppid() != int(sys.argv[2]):
        sys.exit(1)
os.execv(sys.argv[3], sys.argv[3:])
"""
_GROUP_LEAVES_STEPS = 200
_KEPT_LOG_BYTES = 16 * 1024 * 1024


def spawn(argv: Sequence[str], *, environment: Mapping[str, str], log: Path) -> "subprocess.Popen[bytes]":
    """Start a program in a session of its own, its output appended to `log`; SIGTERM reaches it when we die."""
    return _spawner.submit(_spawn, argv, environment, log).result()


def _spawn(argv: Sequence[str], environment: Mapping[str, str], log: Path) -> "subprocess.Popen[bytes]":
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.exists() and log.stat().st_size > _KEPT_LOG_BYTES:
        log.replace(log.with_name(log.name + ".1"))
    launcher = [sys.executable, "-I", "-S", "-c", _LAUNCHER, str(int(signal.SIGTERM)), str(os.getpid())]
    with log.open("ab") as output:
        return subprocess.Popen(
            [*launcher, *argv],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=dict(environment),
            start_new_session=True,
        )


def end(process: "subprocess.Popen[bytes]", deadline_seconds: float) -> None:
    """Ask a child to end, then make it end, and with it whatever it has started in its session."""
    if process.returncode is not None:
        return
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(deadline_seconds)
    kill_group(process)


def kill_group(process: "subprocess.Popen[bytes]") -> None:
    """Kill a child and what it has started; call it only when the child still runs or has ended this very moment."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    # A kill takes effect a moment later: who returns from here finds nobody of the group.
    pause = Event()
    for _ in range(_GROUP_LEAVES_STEPS):
        if not _group_runs(process.pid):
            return
        pause.wait(0.01)


def _group_runs(group: int) -> bool:
    # Read from /proc, since to a signal a dead member that init has not collected yet looks alive.
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, _parent, its_group = stat.read_text().rpartition(")")[2].split()[:3]
            if int(its_group) == group and state not in "ZX":
                return True
    return False


def last_lines(log: Path, count: int = 12) -> str:
    """The end of a log file, for a person who wants to know why something died."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 16_384))
            lines = file.read().decode("utf-8", "replace").splitlines()
    except FileNotFoundError:
        return ""
    return "\n".join(lines[-count:])
