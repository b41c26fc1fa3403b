"""The supervisor starts everything, starts again what dies, and never leaves a process behind."""

import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Event, Thread
from urllib.request import urlopen

import pytest

from headrace.ports import free_ports, is_free
from headrace.run_info import NotRunningError, RunInfo, read_run_info
from headrace.service_process import ServiceCommand
from headrace.settings import CommandSettings
from headrace.supervisor import Commands, Supervisor, SupervisorError
from shared.spine.clock import monotonic

# A real process that answers /readyz, and starts a process of its own as serving does with its shipper.
SERVICE = """
import json, os, subprocess, sys
from http.server import BaseHTTPRequestHandler, HTTPServer
helper = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
class Answer(BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps({"pid": os.getpid(), "helper": helper.pid, "kafka": os.environ["HEADRACE_KAFKA"]}).encode()
        self.send_response(200); self.send_header("content-length", str(len(body))); self.end_headers()
        self.wfile.write(body)
class Server(HTTPServer):
    allow_reuse_address = True
Server(("127.0.0.1", int(sys.argv[1])), Answer).serve_forever()
"""
# Its process ends by itself: where the supervisor is killed, nobody is there to end it.
ALONE = SERVICE.replace("import signal; signal.pause()", "pass")
DEAF = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + SERVICE
SLOW_TO_END = (
    "import signal, sys\nsignal.signal(signal.SIGTERM, lambda *_: print('asked to end', flush=True))\n" + SERVICE
)
FAILING = "import sys\nprint('the table is missing', file=sys.stderr)\nsys.exit(3)"
NEVER_READY = "import signal; signal.pause()"
NO_KAFKA = "127.0.0.1:9"


def _services(**scripts: str) -> Commands:
    ports = dict(zip(scripts, free_ports(len(scripts)), strict=True))

    def commands(environment: Mapping[str, str]) -> list[ServiceCommand]:
        return [
            ServiceCommand(name, (sys.executable, "-c", script, str(ports[name])), ports[name], environment)
            for name, script in scripts.items()
        ]

    return commands


def _no_topics(_kafka: str, _stopping: Event) -> None:
    pass


def _supervisor(home: Path, commands: Commands, kafka: str | None = NO_KAFKA) -> Supervisor:
    return Supervisor(home, kafka=kafka, commands=commands, provision=_no_topics)


def _answer(info: RunInfo, name: str) -> dict[str, object]:
    with urlopen(f"{info.services[name].url}/readyz", timeout=5) as answer:
        found = json.loads(answer.read())
    assert isinstance(found, dict)
    return found


def _exists(pid: object) -> bool:
    # A zombie whose parent has not asked yet runs no more.
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def _eventually(happened: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = monotonic() + seconds
    pause = Event()
    while not happened():
        assert monotonic() < deadline, "it did not happen in time"
        pause.wait(0.02)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Short deadlines for what never gets ready or never ends."""
    monkeypatch.setenv("HEADRACE_START_DEADLINE_SECONDS", "1.5")
    monkeypatch.setenv("HEADRACE_STOP_DEADLINE_SECONDS", "0.5")


def test_everything_is_ready_after_start_and_gone_after_stop(tmp_path: Path) -> None:
    steps: list[str] = []
    with _supervisor(tmp_path, _services(registry=SERVICE, serving=SERVICE)) as system:
        info = system.start(lambda step, _fraction: steps.append(step))
        said = _answer(info, "registry")
        assert said["pid"] == info.services["registry"].pid
        assert said["kafka"] == info.kafka == NO_KAFKA
        assert read_run_info(tmp_path) == info
        assert "Creating the topics" in steps
    assert not _exists(info.services["serving"].pid)
    assert not _exists(said["helper"])
    assert is_free(int(info.services["registry"].url.rpartition(":")[2]))
    with pytest.raises(NotRunningError, match="start it with `headrace up`"):
        read_run_info(tmp_path)


def test_a_killed_service_comes_back_on_its_port_and_its_helper_does_not_stay(tmp_path: Path) -> None:
    with _supervisor(tmp_path, _services(registry=SERVICE)) as system:
        before = _answer(system.start(), "registry")
        os.kill(int(str(before["pid"])), signal.SIGKILL)
        _eventually(lambda: system.info.services["registry"].pid not in (None, before["pid"]))
        service = system._services[0]
        _eventually(service.is_ready)
        after = _answer(system.info, "registry")
        assert after["pid"] != before["pid"]
        assert not _exists(before["helper"])
        _eventually(lambda: read_run_info(tmp_path).services["registry"].pid == after["pid"])
    assert not _exists(after["helper"])


def test_a_service_that_dies_at_start_is_shown_with_its_last_words_and_takes_the_others_down(tmp_path: Path) -> None:
    system = _supervisor(tmp_path, _services(registry=SERVICE, trainer=FAILING))
    with pytest.raises(SupervisorError, match=r"trainer ended while it was starting(?s:.*)the table is missing"):
        system.start()
    assert [service.pid for service in system._services] == [None, None]


@pytest.mark.usefixtures("impatient")
def test_a_service_that_is_never_ready_is_named(tmp_path: Path) -> None:
    system = _supervisor(tmp_path, _services(monitor=NEVER_READY))
    with pytest.raises(SupervisorError, match="monitor was not ready within"):
        system.start()
    assert system.info.services["monitor"].pid is None


@pytest.mark.usefixtures("impatient")
def test_a_service_that_ignores_the_request_to_end_is_killed_after_the_deadline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADRACE_START_DEADLINE_SECONDS", "30")
    with _supervisor(tmp_path, _services(serving=DEAF)) as system:
        said = _answer(system.start(), "serving")
    assert not _exists(said["pid"])
    assert not _exists(said["helper"])


def test_a_second_supervisor_on_the_same_home_is_refused_and_harms_nothing(tmp_path: Path) -> None:
    with _supervisor(tmp_path, _services(registry=SERVICE)) as system:
        info = system.start()
        with pytest.raises(SupervisorError, match=f"runs under {tmp_path} already .process {os.getpid()}."):
            _supervisor(tmp_path, _services(registry=SERVICE)).start()
        assert read_run_info(tmp_path) == info
        assert _answer(info, "registry")["pid"] == info.services["registry"].pid


def test_stop_in_the_middle_of_a_start_leaves_nothing(tmp_path: Path) -> None:
    system = _supervisor(tmp_path, _services(registry=SERVICE, monitor=NEVER_READY))
    waiting = Event()

    def stop() -> None:
        waiting.wait()
        system.stop()

    stopper = Thread(target=stop)
    stopper.start()
    with pytest.raises(SupervisorError, match="given up"):
        system.start(lambda step, _fraction: waiting.set() if step == "Waiting for monitor" else None)
    stopper.join()
    assert [service.pid for service in system._services] == [None, None]
    with pytest.raises(NotRunningError):
        read_run_info(tmp_path)


def _run_apart(home: Path, service: str) -> RunInfo:
    """Run a supervisor in a process of its own, and kill that with -9 as soon as all is ready."""
    script = home / "run.py"
    port = free_ports(1)[0]
    script.write_text(
        textwrap.dedent(f"""
        import sys
        from pathlib import Path
        from headrace.service_process import ServiceCommand
        from headrace.supervisor import Supervisor
        service = {service!r}
        system = Supervisor(Path({str(home)!r}), kafka={NO_KAFKA!r}, provision=lambda kafka, stopping: None,
            commands=lambda env: [ServiceCommand("registry", (sys.executable, "-c", service, "{port}"), {port}, env)])
        system.start()
        print("ready", flush=True)
        system.wait()
        """)
    )
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        info = read_run_info(home)
        process.kill()
    return info


def test_nothing_outlives_a_supervisor_that_is_killed_and_the_next_one_starts(tmp_path: Path) -> None:
    pid = _run_apart(tmp_path, ALONE).services["registry"].pid
    _eventually(lambda: not _exists(pid))
    with _supervisor(tmp_path, _services(registry=SERVICE)) as system:
        assert system.start().services["registry"].pid != pid


def test_what_a_killed_supervisor_left_and_does_not_end_is_ended_by_the_next_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADRACE_STOP_DEADLINE_SECONDS", "0.5")
    left = _run_apart(tmp_path, DEAF).services["registry"].pid
    assert _exists(left)
    with _supervisor(tmp_path, _services(registry=SERVICE)) as system:
        system.start()
        _eventually(lambda: not _exists(left))


def test_a_second_ctrl_c_ends_what_takes_its_time(tmp_path: Path) -> None:
    system = _supervisor(tmp_path, _services(serving=SLOW_TO_END))
    said = _answer(system.start(), "serving")
    log = tmp_path / "logs" / "serving.log"

    def interrupt_when_asked_to_end() -> None:
        _eventually(lambda: b"asked to end" in log.read_bytes())
        os.kill(os.getpid(), signal.SIGINT)

    interrupter = Thread(target=interrupt_when_asked_to_end)
    interrupter.start()
    begun = monotonic()
    system.stop()
    interrupter.join()
    assert monotonic() - begun < CommandSettings().stop_deadline_seconds
    assert not _exists(said["pid"])
    assert not _exists(said["helper"])


@pytest.mark.kafka
def test_a_killed_kafka_comes_back_on_its_address_and_is_the_last_to_leave(tmp_path: Path) -> None:
    with _supervisor(tmp_path, _services(registry=SERVICE), kafka=None) as system:
        info = system.start()
        assert info.kafka_pid is not None
        os.kill(info.kafka_pid, signal.SIGKILL)
        _eventually(lambda: system.info.kafka_pid not in (None, info.kafka_pid), seconds=60)
        _eventually(lambda: read_run_info(tmp_path).kafka_pid == system.info.kafka_pid, seconds=60)
        assert system.info.kafka == info.kafka
        killed_again = system.info.kafka_pid
        assert killed_again is not None
        os.kill(killed_again, signal.SIGKILL)
    assert not _exists(killed_again)
    assert is_free(int(info.kafka.rpartition(":")[2]))
    assert system.info.kafka_pid is None


@pytest.mark.kafka
def test_ctrl_c_while_kafka_starts_leaves_nothing(tmp_path: Path) -> None:
    system = _supervisor(tmp_path, _services(registry=SERVICE), kafka=None)

    def interrupt(step: str, _fraction: float | None) -> None:
        if step == "Starting Apache Kafka":
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        system.start(interrupt)
    assert system.info.kafka_pid is None
    assert system._services == []
