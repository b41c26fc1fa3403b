"""Serving's main process: binds the socket, starts workers and shipper, restarts what dies, ends them all."""

import asyncio
import contextlib
import logging
import os
import shutil
import signal
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

from services.serving import workers
from services.serving.settings import ServingSettings, child_environment
from shared.spine import logs
from shared.spine.auth import ApiKeys, check_binding
from shared.spine.clock import monotonic
from shared.spine.settings import read_settings

log = logging.getLogger(__name__)

BIND_SECONDS = 10.0
END_SECONDS = 15.0
FLUSH_SECONDS = 8.0


@dataclass
class Child:
    """One process that must be there: started again when it dies, more slowly when it dies at once."""

    name: str
    command: Sequence[str]
    environment: dict[str, str]
    sockets: Sequence[int] = ()
    process: asyncio.subprocess.Process | None = None
    stopping: bool = False

    async def keep(self) -> None:
        """Run until `stop`."""
        wait = 0.05
        while not self.stopping:
            started = monotonic()
            self.process = await asyncio.create_subprocess_exec(
                *self.command, env=self.environment, pass_fds=tuple(self.sockets)
            )
            code = await self.process.wait()
            if self._ended():
                return
            _forget_metrics(self.environment, self.process.pid)
            wait = 0.05 if monotonic() - started > 5 else min(wait * 2, 5.0)
            log.error("a process died and is started again", extra={"child": self.name, "code": code})
            await asyncio.sleep(wait)

    def _ended(self) -> bool:
        return self.stopping

    def stop(self) -> None:
        """Ask the process to end; it is not started again."""
        self.stopping = True
        if self.process and self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.terminate()

    async def end(self, seconds: float) -> None:
        """Wait for the end, and force it after `seconds`."""
        if self.process is None or self.process.returncode is not None:
            return
        try:
            await asyncio.wait_for(self.process.wait(), seconds)
        except TimeoutError:
            log.exception("a process did not end and is killed", extra={"child": self.name})
            self.process.kill()
            await self.process.wait()


@dataclass
class Family:
    """All processes of one replica."""

    settings: ServingSettings
    listening: socket.socket
    workers: list[Child] = field(init=False)
    shipper: Child = field(init=False)

    def __post_init__(self) -> None:
        environment, parent = child_environment(self.settings), str(os.getpid())
        handle = self.listening.fileno()
        python = [sys.executable, "-m"]
        self.shipper = Child("shipper", [*python, "services.serving.shipper", "--parent", parent], environment)
        self.workers = [
            Child(
                f"worker-{slot}",
                [*python, "services.serving.worker", "--slot", str(slot), "--socket", str(handle), "--parent", parent],
                environment,
                [handle],
            )
            for slot in range(self.settings.serving_workers)
        ]

    async def run(self) -> None:
        """Keep all of them until SIGTERM; then workers first, so that the shipper can take their last events."""
        stopping = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopping.set)
        keepers = [asyncio.create_task(child.keep(), name=child.name) for child in (*self.workers, self.shipper)]
        await stopping.wait()
        for child in self.workers:
            child.stop()
        limit = END_SECONDS + self.settings.serving_drain_seconds
        await asyncio.gather(*(child.end(limit) for child in self.workers))
        self.shipper.stop()
        await self.shipper.end(FLUSH_SECONDS)
        for keeper in keepers:
            keeper.cancel()
        await asyncio.gather(*keepers, return_exceptions=True)


def _forget_metrics(environment: dict[str, str], pid: int) -> None:
    """Gauges of a dead process would be shown for ever; its counters stay, they are part of the sum."""
    from prometheus_client.multiprocess import mark_process_dead

    mark_process_dead(pid, environment["PROMETHEUS_MULTIPROC_DIR"])  # type: ignore[no-untyped-call]


async def bind(host: str, port: int) -> socket.socket:
    """Return the listening socket; the one of a killed predecessor may need a moment to go."""
    deadline = monotonic() + BIND_SECONDS
    while True:
        try:
            return socket.create_server((host, port), backlog=2048)
        except OSError as error:
            if monotonic() > deadline:
                raise SystemExit(f"cannot listen on {host}:{port}: {error.strerror}") from error
        await asyncio.sleep(0.05)


async def run(settings: ServingSettings) -> None:
    """Run one replica until SIGTERM."""
    listening = await bind(settings.serving_host, settings.serving_port)
    shutil.rmtree(settings.metrics_directory, ignore_errors=True)
    settings.metrics_directory.mkdir(parents=True)
    workers.clear(settings.directory / "workers", settings.instance)
    log.info("serving listens", extra={"address": ":".join(map(str, listening.getsockname()[:2]))})
    await Family(settings, listening).run()


def main() -> None:
    """Started by the supervisor, or by hand: `python -m services.serving.app`."""
    settings = read_settings(ServingSettings)
    logs.setup("serving", settings.log_level)
    check_binding(settings.serving_host, ApiKeys(settings.api_keys_file), settings.environment)
    asyncio.run(run(settings))


if __name__ == "__main__":
    main()
