"""Runs the whole system on one machine: Kafka, then the services; starts again what dies, and leaves nothing behind."""

import logging
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from os import getpid
from pathlib import Path
from threading import Event, RLock, Thread, current_thread, main_thread
from types import FrameType, TracebackType
from typing import Literal, Self

from headrace.child_process import last_lines
from headrace.embedded_kafka import EmbeddedKafka
from headrace.errors import CommandError
from headrace.kafka_jars import Progress
from headrace.keeper import Keeper, Part
from headrace.leftovers import clear_leftovers
from headrace.owned_directory import OwnedDirectory
from headrace.ports import PortClaims
from headrace.provisioning import provision_topics
from headrace.run_info import SUPERVISOR_LOCK, RunInfo, ServiceInfo, remove_run_info, write_run_info
from headrace.service_commands import choose_ports, environment_of, service_commands
from headrace.service_process import ServiceCommand, ServiceProcess
from headrace.settings import CommandSettings
from shared.spine.clock import monotonic

log = logging.getLogger(__name__)

Commands = Callable[[dict[str, str]], Sequence[ServiceCommand]]


class SupervisorError(CommandError):
    """The system cannot run; the message says why and, where it is known, what to do."""


class Supervisor:
    """One running system. `start` and `stop` may be interrupted by Ctrl-C at any moment; `stop` may be called twice."""

    def __init__(
        self,
        home: Path,
        *,
        clock: Literal["wall", "replay"] = "wall",
        seed: int = 0,
        workers: int = 1,
        kafka: str | None = None,
        use_cases: Path = Path("examples"),
        instance: int = 0,
        commands: Commands | None = None,
        provision: Callable[[str, Event], None] = provision_topics,
    ) -> None:
        """`kafka` None or "": an embedded one. `commands`: environment -> services, the real five by default."""
        self.home = home.absolute()
        self._settings = CommandSettings()
        self._clock = clock
        self._variables = {
            "HEADRACE_CLOCK": clock,
            "HEADRACE_SEED": str(seed),
            "HEADRACE_INSTANCE": str(instance),
            "HEADRACE_SERVING_WORKERS": str(workers),
            # In a replay everything waits for a run.
            "HEADRACE_TRAINER_FIT_READY": str(clock == "replay"),
            "HEADRACE_TRAINER_USE_CASES_DIR": str(use_cases.absolute()),
        }
        self._address = kafka or ""
        self._broker = None if kafka else EmbeddedKafka(self.home / "kafka", environment=environment_of(self.home, {}))
        self._ports = PortClaims()
        self._commands = commands or (lambda environment: service_commands(choose_ports(self._ports), environment))
        self._provision = provision
        self._ownership = OwnedDirectory(self.home, SUPERVISOR_LOCK)
        self._services: list[ServiceProcess] = []
        self._keepers: dict[str, Keeper] = {}
        self._stopping = Event()
        self._stopped = Event()
        self._starter: Future[None] | None = None
        self._changing = RLock()

    def __enter__(self) -> Self:
        """The system is started by `start`, so that its progress can be shown."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Whatever happened, nothing is left running."""
        self.stop()

    @property
    def info(self) -> RunInfo:
        """Addresses and processes as they are now."""
        return RunInfo(
            supervisor_pid=getpid(),
            kafka=self._address,
            kafka_pid=self._broker.pid if self._broker else None,
            services={s.name: ServiceInfo(url=s.command.url, pid=s.pid) for s in self._services},
            clock=self._clock,
            home=str(self.home),
        )

    def start(self, progress: Progress | None = None) -> RunInfo:
        """Start everything and wait until every service is ready; on failure nothing stays and the error says why."""
        # The work is done by another thread, since an interrupt may hit the main thread between any two steps.
        self._starter = _in_background(lambda: self._start(progress or (lambda step, fraction: None)))
        try:
            self._starter.result()
        except BaseException:
            self.stop()
            raise
        return self.info

    def wait(self) -> None:
        """Return when somebody has stopped the system."""
        self._stopped.wait()

    def stop(self) -> None:
        """End the services, then Kafka: a producer whose broker is gone would not end. An interrupt means: faster."""
        self._stopping.set()
        with self._interrupts_hurry():
            _in_background(self._stop).result()

    def _start(self, progress: Progress) -> None:
        if not self._ownership.claim():
            raise SupervisorError(
                f"a system runs under {self.home} already (process {self._ownership.holder()}); "
                "`headrace status` shows it, `headrace down` ends it"
            )
        clear_leftovers(self.home, self._stopping, self._settings.stop_deadline_seconds)
        if self._broker is not None:
            self._address = self._broker.start(progress)
        self._check_wanted()
        self._write_info()
        progress("Creating the topics", None)
        self._provision(self._address, self._stopping)
        self._start_services(progress)
        for service in self._services:
            self._keep(service)
        if self._broker is not None:
            self._keep(self._broker)
        self._write_info()

    def _start_services(self, progress: Progress) -> None:
        environment = environment_of(self.home, self._variables | {"HEADRACE_KAFKA": self._address})
        for command in self._commands(environment):
            self._check_wanted()
            service = ServiceProcess(
                command, self.home / "logs" / f"{command.name}.log", self._settings.stop_deadline_seconds
            )
            self._services.append(service)
            service.start()
        self._write_info()
        deadline = monotonic() + self._settings.start_deadline_seconds
        waiting = list(self._services)
        while waiting:
            progress(f"Waiting for {', '.join(s.name for s in waiting)}", 1 - len(waiting) / len(self._services))
            self._stopping.wait(0.1)
            self._check_wanted()
            for service in waiting:
                if service.pid is None or monotonic() > deadline:
                    raise SupervisorError(_explain(service, self._settings.start_deadline_seconds))
            waiting = [service for service in waiting if not service.is_ready()]

    def _keep(self, part: Part) -> None:
        keeper = Keeper(part, self._stopping, self._write_info)
        self._keepers[part.name] = keeper
        keeper.begin()

    def _check_wanted(self) -> None:
        if self._stopping.is_set():
            raise SupervisorError("the start was given up")

    def _stop(self) -> None:
        if self._starter is not None:
            while not self._starter.done():
                if self._broker is not None:
                    self._broker.cancel_start()
                wait([self._starter], timeout=0.05)
        with self._changing:
            if self._services:
                with ThreadPoolExecutor(len(self._services)) as pool:
                    list(pool.map(self._end, self._services))
            if self._broker is not None:
                self._end(self._broker)
            if self._ownership.held:
                remove_run_info(self.home)
            self._ownership.release()
            self._ports.release()
            self._stopped.set()

    def _end(self, part: Part) -> None:
        keeper = self._keepers.get(part.name)
        if keeper is not None:
            keeper.finish()
        else:
            part.stop()

    def _write_info(self) -> None:
        if not self._stopping.is_set():
            write_run_info(self.info)

    @contextmanager
    def _interrupts_hurry(self) -> Iterator[None]:
        if current_thread() is not main_thread():
            yield
            return

        def hurry(_number: int, _frame: FrameType | None) -> None:
            for service in self._services:
                service.kill()

        before = {number: signal.signal(number, hurry) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _explain(service: ServiceProcess, deadline_seconds: float) -> str:
    what = f"was not ready within {deadline_seconds:.0f} s" if service.pid else "ended while it was starting"
    return f"{service.name} {what}; {service.log} ends with:\n{last_lines(service.log)}"


def _in_background(work: Callable[[], None]) -> Future[None]:
    future: Future[None] = Future()

    def run() -> None:
        try:
            work()
        except BaseException as error:
            future.set_exception(error)
        else:
            future.set_result(None)

    Thread(target=run, daemon=True).start()
    return future
