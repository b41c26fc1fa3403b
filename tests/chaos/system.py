"""The system under chaos: a Kafka that can be stopped, the five services, a small disk, and points to arm."""

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from headrace.embedded_kafka import EmbeddedKafka
from headrace.run_info import RunInfo
from headrace.service_process import ServiceCommand, ServiceProcess
from headrace.supervisor import Supervisor
from tests.chaos.disk import Disk, small_disk
from tests.chaos.waiting import pause

USE_CASES = Path(__file__).resolve().parents[2] / "docs" / "first_steps"
SESSION_SECONDS = 6.0
_READY_SECONDS = 600.0


class System:
    """Everything under one home; a context manager that leaves no process and no mount behind."""

    def __init__(self, home: Path, seed: int, workers: int = 2) -> None:
        self.home = home
        self.points = home / "points"
        self.points.mkdir(parents=True)
        self.kafka = EmbeddedKafka(home / "kafka")
        self.disk: Disk = small_disk(home, self._processes)
        self._seed, self._workers = seed, workers
        self._supervisor: Supervisor | None = None

    def __enter__(self) -> Self:
        """Start it; what the services inherit says where points are armed."""
        os.environ["HEADRACE_CHAOS_DIRECTORY"] = str(self.points)
        os.environ["HEADRACE_KAFKA_SESSION_SECONDS"] = str(SESSION_SECONDS)
        try:
            self.kafka.start()
            self._supervisor = Supervisor(
                self.home,
                clock="replay",
                seed=self._seed,
                workers=self._workers,
                kafka=self.kafka.address,
                use_cases=USE_CASES,
            )
            self._supervisor.start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End everything."""
        try:
            if self._supervisor is not None:
                self._supervisor.stop()
            self.kafka.stop()
        finally:
            self.disk.remove()

    @property
    def info(self) -> RunInfo:
        """What runs now."""
        assert self._supervisor is not None
        return self._supervisor.info

    @property
    def urls(self) -> dict[str, str]:
        """Service -> address."""
        return {name: service.url for name, service in self.info.services.items()}

    @property
    def options(self) -> dict[str, str]:
        """How to reach Kafka."""
        return {"bootstrap_servers": self.kafka.address}

    def signal_group(self, service: str, number: signal.Signals) -> bool:
        """Send a signal to a service and to all that it has started; False when it is just not there."""
        pid = self.info.services[service].pid
        if pid is None:
            return False
        with suppress(ProcessLookupError):
            os.killpg(pid, number)
            return True
        return False

    async def ready(self, service: str) -> None:
        """Wait until a service answers: a kill counts when it meets one that works."""
        command = ServiceCommand(service, (), int(self.urls[service].rpartition(":")[2]), {})
        probe = ServiceProcess(command, self.home / "unused.log")
        async with asyncio.timeout(_READY_SECONDS):
            while not await asyncio.to_thread(probe.is_ready):
                await pause(0.1)

    def _processes(self) -> Iterator[int]:
        groups = {service.pid for service in self.info.services.values()}
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):
                _state, _parent, group = stat.read_text().rpartition(")")[2].split()[:3]
                if int(group) in groups:
                    yield int(stat.parent.name)
