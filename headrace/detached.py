"""Starts the supervisor as a process of its own that outlives this command, follows its start, and ends it again."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from threading import Event

from headrace.errors import CommandError
from headrace.kafka_jars import Progress
from headrace.owned_directory import OwnedDirectory
from headrace.run_info import SUPERVISOR_LOCK, RunInfo, read_run_info
from headrace.settings import inherited_environment
from shared.spine.clock import monotonic

_STOP_DEADLINE_SECONDS = 60.0


def start_detached(home: Path, arguments: Sequence[str], progress: Progress) -> RunInfo:
    """Start `headrace up --foreground` in the background; returns when all is ready, raises CommandError if not."""
    log = home / "logs" / "supervisor.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "headrace", "up", "--foreground", "--progress-lines", *arguments]
    with log.open("ab") as errors:
        process = subprocess.Popen(
            command,
            env=inherited_environment() | {"HEADRACE_HOME": str(home)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,
        )
    try:
        _follow(process, progress, log)
    except BaseException:
        process.terminate()
        process.wait()
        raise
    finally:
        if process.stdout is not None:
            process.stdout.close()
    return read_run_info(home)


def _follow(process: "subprocess.Popen[bytes]", progress: Progress, log: Path) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        said = json.loads(line)
        if said.get("ready"):
            return
        if "error" in said:
            raise CommandError(str(said["error"]))
        progress(str(said["step"]), said["fraction"])
    raise CommandError(f"the supervisor ended while it was starting; see {log}")


def stop_detached(home: Path, progress: Progress) -> bool:
    """End what runs under this home and wait until it is gone; False when nothing runs there."""
    ownership = OwnedDirectory(home, SUPERVISOR_LOCK)
    supervisor = ownership.holder()
    if supervisor is None:
        return False
    os.kill(supervisor, signal.SIGTERM)
    pause = Event()
    deadline = monotonic() + _STOP_DEADLINE_SECONDS
    while ownership.holder() == supervisor:
        progress("Ending the services, then Kafka", None)
        if monotonic() > deadline:
            os.kill(supervisor, signal.SIGKILL)
            raise CommandError(f"process {supervisor} did not end within {_STOP_DEADLINE_SECONDS:.0f} s and was killed")
        pause.wait(0.1)
    return True
