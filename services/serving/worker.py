"""One worker process: builds its parts, answers on the shared socket, follows releases, drains on SIGTERM."""

import argparse
import asyncio
import gc
import logging
import os
import signal
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from types import FrameType

import uvicorn

from services.serving import family, snapshot, workers
from services.serving.activate import Activator
from services.serving.behind import Behind
from services.serving.bento import build_behind
from services.serving.bounds import SpoolFullError
from services.serving.follow import Follower
from services.serving.front import Front
from services.serving.health import Health
from services.serving.journal import Journal
from services.serving.live import Served
from services.serving.loading import Packages
from services.serving.lock import SpoolBusyError
from services.serving.lowered import Capacities
from services.serving.metrics import TALLY
from services.serving.outcomes import Outcomes
from services.serving.parity import Parity
from services.serving.predict import Predictor
from services.serving.quick import protocol_of
from services.serving.reports import Reporter
from services.serving.settings import ServingSettings
from shared.package.store import PackageStore
from shared.spine import logs
from shared.spine.auth import ApiKeys
from shared.spine.clock import Clock
from shared.spine.settings import read_settings
from shared.spine.throttle import Throttle

log = logging.getLogger(__name__)

GRACEFUL_SECONDS = 10
HEARTBEAT_SECONDS = 1.0
# How long a thread may compute while the event loop wants to go on. Python's 5 ms, times the system calls of a request,
# is what an answer beside a release, or beside a model without a compiled form, would wait.
SWITCH_SECONDS = 0.0005
# A request of many records makes hundreds of objects and drops them all: the collector need not look each time.
YOUNG_OBJECTS = 20_000


class Server(uvicorn.Server):
    """Drains on SIGTERM: not ready at once, still answering for a while, then the last answers, then the end."""

    def __init__(self, config: uvicorn.Config, health: Health, drain_seconds: float) -> None:
        super().__init__(config)
        self._health, self._drain_seconds = health, drain_seconds

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Called by the signal handler."""
        self._health.draining = True
        end = partial(setattr, self, "should_exit", True)
        loop = asyncio.get_running_loop()
        loop.call_soon_threadsafe(loop.call_later, self._drain_seconds, end)


@dataclass
class Worker:
    """The parts of one worker."""

    settings: ServingSettings
    slot: int

    def __post_init__(self) -> None:
        settings = self.settings
        self.clock = Clock(settings.clock)
        self.journal = Journal(settings.spool, settings.journal_options())
        self._saying = False
        self.served = Served()
        self.scoring = ThreadPoolExecutor(1, thread_name_prefix="score")
        reporter = Reporter(self.journal, self.clock, settings.source, settings.instance, str(self.slot))
        packages = Packages(PackageStore(settings.packages_location), settings.directory / "packages", self.scoring)
        snapshots = settings.directory / "releases"
        self.activator = Activator(
            self.served,
            packages,
            snapshots,
            reporter,
            self.say_soon,
            seed=settings.seed,
            capacities=Capacities(settings.hosts),
        )
        self.follower = Follower(settings, self.activator, self.clock)
        self.health = Health(settings, self.slot, os.getpid(), self.journal, self.activator, self.follower, self.clock)
        self.parity = Parity(self.served, packages, settings.serving_parity_seconds, self.health.wrong)
        limit = settings.serving_request_seconds
        predictor = Predictor(self.journal, self.served, self.clock, settings.source, limit)
        self.front = Front(
            predictor,
            Outcomes(self.journal, self.served, self.clock, settings.source),
            self.health,
            ApiKeys(settings.api_keys_file),
            Throttle(settings.serving_requests_per_second),
            settings.serving_body_bytes,
            Behind(partial(build_behind, predictor)),
            self.parity,
        )

    def say_soon(self) -> None:
        """Write down how this worker stands when this turn of the event loop ends, once for all that changes in it."""
        if not self._saying:
            self._saying = True
            asyncio.get_running_loop().call_soon(self.say)

    def say(self) -> None:
        """Write down how this worker stands; the disk may be full, and that must not stop anything."""
        self._saying = False
        try:
            workers.write(self.settings.directory / "workers", self.health.state())
        except OSError:
            log.warning("the worker file could not be written", exc_info=True)

    async def open_journal(self) -> None:
        """Read the spool; a stopped sibling may hold it, a full disk may refuse the first segment."""
        wait = 0.1
        while True:
            try:
                await self.journal.open()
                return
            except (SpoolBusyError, SpoolFullError, OSError) as error:
                log.warning("the spool cannot be opened yet", extra={"error": repr(error)})
            await asyncio.sleep(wait)
            wait = min(wait * 2, 2.0)

    async def resume(self) -> None:
        """Start from the snapshot; what Kafka says later replaces it."""
        for remembered in snapshot.load(self.settings.directory / "releases"):
            self.activator.capacities.add(remembered.release.use_case, remembered.words)
            await self.activator.learn(remembered.contract)
            await self.activator.want(remembered.release)

    async def heartbeat(self) -> None:
        """Say for ever that this worker lives."""
        while True:
            self.say()
            TALLY.flush()
            with suppress(OSError):
                self.health.measure()
            await asyncio.sleep(HEARTBEAT_SECONDS)

    async def run(self, listening: socket.socket, parent: int) -> None:
        """Serve until SIGTERM."""
        await self.open_journal()
        await self.resume()
        config = uvicorn.Config(
            self.front,
            http=protocol_of(self.front),
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            backlog=2048,
            timeout_graceful_shutdown=GRACEFUL_SECONDS,
        )
        server = Server(config, self.health, self.settings.serving_drain_seconds)
        jobs = [self.follower.run(), self.heartbeat(), self.parity.run(), family.watch(parent)]
        tasks = [asyncio.create_task(job) for job in jobs]
        try:
            await server.serve(sockets=[listening])
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self.activator.stop()
            self.scoring.shutdown(wait=False, cancel_futures=True)
            self.journal.close()
            TALLY.flush()


def main() -> None:
    """Started by services.serving.app with the listening socket."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    for name in ("slot", "socket", "parent"):
        parser.add_argument(f"--{name}", type=int, required=True)
    given = parser.parse_args()
    family.die_with(given.parent)
    # Until uvicorn takes over, SIGTERM ends the process at once: nothing is being answered yet.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.setswitchinterval(SWITCH_SECONDS)
    gc.set_threshold(YOUNG_OBJECTS)
    settings = read_settings(ServingSettings)
    logs.setup("serving", settings.log_level)
    with asyncio.Runner(loop_factory=_loop()) as runner:
        runner.run(Worker(settings, given.slot).run(socket.socket(fileno=given.socket), given.parent))


def _loop() -> "type[asyncio.AbstractEventLoop] | None":
    try:
        import uvloop
    except ImportError:  # not on every platform; asyncio's own loop answers too
        return None
    return uvloop.Loop


if __name__ == "__main__":
    main()
