"""One service as a child process: started, asked whether it is ready, ended with everything it has started."""

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from threading import RLock

from headrace.child_process import end, kill_group, spawn
from headrace.ports import LOOPBACK


@dataclass(frozen=True)
class ServiceCommand:
    """How to start a service: it must answer /readyz on its port."""

    name: str
    argv: Sequence[str]
    port: int
    environment: Mapping[str, str]

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://{LOOPBACK}:{self.port}"


class ServiceProcess:
    """The process of a service; may be started again after it has ended."""

    def __init__(self, command: ServiceCommand, log: Path, stop_deadline_seconds: float = 10.0) -> None:
        self.name = command.name
        self.command = command
        self.log = log
        self._stop_deadline_seconds = stop_deadline_seconds
        self._lock = RLock()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The process, None while there is none."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def start(self) -> None:
        """Start it; does not wait until it is ready."""
        with self._lock:
            self._process = spawn(self.command.argv, environment=self.command.environment, log=self.log)

    def wait(self) -> None:
        """Return when it has ended, and end what it leaves behind: a shipper, a worker."""
        if self._process is not None:
            self._process.wait()
            kill_group(self._process)

    def stop(self) -> None:
        """End it in order, by force after the deadline."""
        with self._lock:
            if self._process is not None:
                end(self._process, self._stop_deadline_seconds)

    def kill(self) -> None:
        """End it now."""
        if self.pid is not None and self._process is not None:
            kill_group(self._process)

    def is_ready(self) -> bool:
        """Whether /readyz says 200."""
        connection = HTTPConnection(LOOPBACK, self.command.port, timeout=2)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()
