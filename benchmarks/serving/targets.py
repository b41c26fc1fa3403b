"""A server under measurement: where and how it is asked, which processes it consists of, and how a peer is started."""

import shutil
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from benchmarks.serving.dialects import Dialect, Record
from benchmarks.serving.environments import UnavailableError
from benchmarks.serving.processes import descendants, signal_all
from headrace.child_process import end, last_lines, spawn
from headrace.ports import LOOPBACK
from headrace.settings import inherited_environment
from shared.spine.clock import monotonic

PEERS = Path(__file__).parent / "peers"
_READY_SECONDS = 180.0
_ANSWER_SECONDS = 60.0
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
SILENT = {"BENTOML_DO_NOT_TRACK": "True", "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}


@dataclass(frozen=True)
class Target:
    """Something that answers predictions; `processes` says by role which processes it consists of.

    `rest` stops it between its rounds, `wake` lets it go on: an idle server may take a share of a core from others.
    """

    name: str
    port: int
    dialect: Dialect
    processes: Callable[[], Mapping[str, Sequence[int]]]
    settle: Callable[[], None] = lambda: None
    rest: Callable[[], None] = lambda: None
    wake: Callable[[], None] = lambda: None

    @property
    def url(self) -> str:
        """Where it is asked."""
        return f"http://{LOOPBACK}:{self.port}{self.dialect.path}"


def post(port: int, dialect: Dialect, records: Sequence[Record]) -> tuple[int, bytes]:
    """Ask once; raises OSError or HTTPException when nothing answers."""
    connection = HTTPConnection(LOOPBACK, port, timeout=_ANSWER_SECONDS)
    try:
        headers = {"content-type": dialect.content_type, "accept": dialect.content_type}
        connection.request("POST", dialect.path, dialect.body(records), headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


class PeerProcess:
    """One peer as a child process in a directory of its own that holds the model file."""

    def __init__(self, name: str, dialect: Dialect, work: Path, model: Path) -> None:
        self.name, self._dialect, self._work = name, dialect, work
        self._process: subprocess.Popen[bytes] | None = None
        self._port = 0
        work.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(model, work / "model.skops")

    def start(self, argv: Sequence[str], environment: Path | None, port: int, more: Mapping[str, str]) -> None:
        """Start a command in its directory, with the programs of its virtual environment first."""
        variables = inherited_environment() | ONE_THREAD | SILENT | {"PYTHONPATH": str(PEERS), **more}
        if environment is not None:
            variables |= {"PATH": f"{environment / 'bin'}:{variables.get('PATH', '')}", "VIRTUAL_ENV": str(environment)}
        command = ["/bin/sh", "-c", 'cd "$0" && exec "$@"', str(self._work), *argv]
        self._port = port
        self._process = spawn(command, environment=variables, log=self._log)

    def ready(self, records: Sequence[Record]) -> Target:
        """Wait for its first answer; raises UnavailableError."""
        deadline, said = monotonic() + _READY_SECONDS, ""
        while monotonic() < deadline:
            assert self._process is not None
            if self._process.poll() is not None:
                raise UnavailableError(f"it ended while starting: {last_lines(self._log, 1)[:300]}")
            try:
                status, answer = post(self._port, self._dialect, records)
                if status == 200:
                    target = Target(self.name, self._port, self._dialect, self._processes)
                    return replace(target, rest=self._rest, wake=self._wake)
                said = f"{status} {answer[:300]!r}"
            except (OSError, HTTPException) as error:
                said = repr(error)
            self._pause()
        raise UnavailableError(f"no answer within {_READY_SECONDS:.0f} s, the last: {said}; see {self._log}")

    def stop(self) -> None:
        """End it with everything that it has started."""
        if self._process is not None:
            self._wake()
            end(self._process, 10.0)

    def _processes(self) -> Mapping[str, Sequence[int]]:
        assert self._process is not None
        return {"worker": descendants(self._process.pid)}

    def _rest(self) -> None:
        signal_all(self._processes()["worker"], signal.SIGSTOP)

    def _wake(self) -> None:
        signal_all(self._processes()["worker"], signal.SIGCONT)

    def _pause(self) -> None:
        assert self._process is not None
        try:
            self._process.wait(0.2)
        except subprocess.TimeoutExpired:
            return

    @property
    def _log(self) -> Path:
        return self._work / "server.log"
