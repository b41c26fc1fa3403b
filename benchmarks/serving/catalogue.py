"""The servers that are compared, and how each is started the way its documentation says."""

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.serving import dialects
from benchmarks.serving.dialects import Dialect
from benchmarks.serving.environments import UnavailableError
from benchmarks.serving.targets import ONE_THREAD, PEERS, PeerProcess
from headrace.ports import free_ports
from headrace.settings import inherited_environment

ROOT = Path(__file__).parents[2]
_PREPARE_SECONDS = 300.0
# Into (environment, work directory, port) goes: the command.
Command = Callable[[Path, Path, int], Sequence[str]]


@dataclass(frozen=True)
class Peer:
    """One server of somebody else; `environment` is a file of `requirements/`, None our own interpreter."""

    name: str
    environment: str | None
    dialect: Dialect
    command: Command
    batching: bool = False

    def launch(self, environment: Path | None, work: Path, model: Path, name: str | None = None) -> PeerProcess:
        """Start it on a free port; it is not ready yet. Raises UnavailableError."""
        port = free_ports(1)[0]
        process = PeerProcess(name or self.name, self.dialect, work, model)
        more = {"BENTOML_HOME": str(work / "bentoml")}
        if environment is None:
            # Ours: the interpreter that runs this, and the code beside it.
            more["PYTHONPATH"] = f"{ROOT}:{PEERS}"
        argv = self.command(environment or Path(sys.prefix), work, port)
        process.start(argv, environment, port, more)
        return process


def _mlflow(environment: Path, work: Path, port: int) -> Sequence[str]:
    saved = work / "mlflow-model"
    if not saved.exists():
        _prepare([str(environment / "bin" / "python"), str(PEERS / "mlflow_save.py"), str(saved)], work)
    serve = [str(environment / "bin" / "mlflow"), "models", "serve", "--model-uri", str(saved)]
    return [*serve, "--host", "127.0.0.1", "--port", str(port), "--env-manager", "local"]


def _bentoml(service: str) -> Command:
    def command(environment: Path, _work: Path, port: int) -> Sequence[str]:
        serve = [str(environment / "bin" / "bentoml"), "serve", f"bento_services:{service}"]
        return [*serve, "--host", "127.0.0.1", "--port", str(port)]

    return command


def _mlserver(batching: bool) -> Command:
    def command(environment: Path, work: Path, port: int) -> Sequence[str]:
        grpc, metrics = free_ports(2)
        server = {
            "host": "127.0.0.1", "http_port": port, "grpc_port": grpc, "metrics_port": metrics, "debug": False,
        }  # fmt: skip
        model = {"name": "flights", "implementation": "mlserver_runtime.Flights"}
        if batching:
            model |= {"max_batch_size": 64, "max_batch_time": 0.005}  # type: ignore[dict-item]
        (work / "settings.json").write_text(json.dumps(server), encoding="utf-8")
        (work / "model-settings.json").write_text(json.dumps(model), encoding="utf-8")
        return [str(environment / "bin" / "mlserver"), "start", str(work)]

    return command


def _script(name: str) -> Command:
    return lambda environment, _work, port: [str(environment / "bin" / "python"), str(PEERS / name), str(port)]


def _prepare(command: Sequence[str], work: Path) -> None:
    variables = inherited_environment() | ONE_THREAD | {"PYTHONPATH": str(PEERS)}
    try:
        done = subprocess.run(
            command, cwd=work, env=variables, capture_output=True, text=True, timeout=_PREPARE_SECONDS
        )
    except subprocess.TimeoutExpired as error:
        raise UnavailableError(f"the model was not saved within {_PREPARE_SECONDS:.0f} s") from error
    if done.returncode:
        raise UnavailableError(f"the model cannot be saved: {done.stderr.strip()[-300:]}")


PEER_LIST = (
    Peer("mlflow", "mlflow", dialects.MLFLOW, _mlflow),
    Peer("bentoml", "bentoml", dialects.BENTOML, _bentoml("Stock")),
    Peer("mlserver", "mlserver", dialects.MLSERVER, _mlserver(batching=False)),
    Peer("fastapi", "fastapi", dialects.PLAIN, _script("fastapi_server.py")),
    Peer("bentoml_batching", "bentoml", dialects.BENTOML_BATCHING, _bentoml("Batching"), batching=True),
    Peer("mlserver_batching", "mlserver", dialects.MLSERVER, _mlserver(batching=True), batching=True),
    Peer("litserve_batching", "litserve", dialects.PLAIN, _script("litserve_server.py"), batching=True),
)
LIMIT = "limit"
HEADRACE = "headrace"
BATCHING = tuple(peer.name for peer in PEER_LIST if peer.batching)
NOT_BATCHING = tuple(peer.name for peer in PEER_LIST if not peer.batching)


def peer(name: str) -> Peer:
    """One of the list."""
    return next(each for each in PEER_LIST if each.name == name)
