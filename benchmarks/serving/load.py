"""Closed-loop load on one address: wrk where it is installed, else a client of ours in a process of its own."""

import json
import resource
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from headrace.settings import inherited_environment

ROOT = Path(__file__).parents[2]
WRK_SCRIPT = Path(__file__).with_name("rotate.lua")
_TIMEOUT_SECONDS = 60
JSON = "application/json"


class LoadError(Exception):
    """The load generator itself failed, or some answers were no answers."""


@dataclass(frozen=True)
class Loaded:
    """What one run of the load generator saw; the failed ones are no part of `requests`."""

    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float
    failed: int
    generator_cpu_seconds: float

    @property
    def per_second(self) -> float:
        """Answered requests a second."""
        return self.requests / self.seconds


def generator() -> str:
    """Which load generator this machine has."""
    return "wrk" if shutil.which("wrk") else "closed_loop.py"


def write_bodies(path: Path, bodies: Sequence[bytes]) -> None:
    """Write what the generator sends in turn: for each body a line with its length, then its bytes and a newline."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(b"%d\n%b\n" % (len(body), body) for body in bodies))


def load(url: str, bodies: Path, connections: int, seconds: float, content_type: str = JSON) -> Loaded:
    """Send the bodies in turn from so many connections, each waiting for its answer; raises LoadError."""
    if generator() == "wrk":
        command = [
            "wrk", "-t1", f"-c{connections}", f"-d{round(seconds)}s", f"--timeout={_TIMEOUT_SECONDS}s",
            "-s", str(WRK_SCRIPT), url, "--", str(bodies), content_type,
        ]  # fmt: skip
    else:
        loop = ("-m", "benchmarks.serving.closed_loop", url, str(bodies), str(connections), str(seconds), content_type)
        command = [sys.executable, *loop]
    before = _children_cpu()
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=seconds + 2 * _TIMEOUT_SECONDS, cwd=ROOT,
            env=inherited_environment() | {"PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        said = json.loads(done.stdout.strip().splitlines()[-1])
    except (subprocess.TimeoutExpired, IndexError, ValueError) as error:
        raise LoadError(f"{command[0]} gave no numbers for {url}: {error!r}") from error
    answered = said["requests"] - said["failed"]
    if answered <= 0:
        raise LoadError(f"{url} answered none of {said['requests']} requests")
    cpu = _children_cpu() - before
    return Loaded(answered, said["seconds"], said["p50_ms"], said["p99_ms"], said["failed"], cpu)


def _children_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
