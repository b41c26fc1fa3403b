"""The HTTP side of a serving worker within a test: real journal, real decoding, a toy model."""

import asyncio
import socket
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path

import uvicorn

from services.serving.activate import Activator
from services.serving.follow import Follower
from services.serving.front import App, Front
from services.serving.health import Health
from services.serving.journal import Journal
from services.serving.live import Served
from services.serving.loading import Packages
from services.serving.outcomes import Outcomes
from services.serving.parity import Parity
from services.serving.predict import Predictor
from services.serving.reports import Reporter
from services.serving.score import Coalescer, Compiled
from services.serving.settings import ServingSettings
from shared.package import PackageStore
from shared.spine.auth import ApiKeys
from shared.spine.clock import Clock
from shared.spine.throttle import Throttle
from tests.serving.toy import NOW, contract, live_of


@asynccontextmanager
async def open_front(
    home: Path, behind: App, body_bytes: int, keys: ApiKeys, compiled: Compiled | None = None
) -> AsyncIterator[Front]:
    """A front that serves the toy contract; `behind` is asked for everything else."""
    clock, settings = Clock("replay", NOW), ServingSettings(home=home, clock="replay")
    journal = Journal(settings.spool)
    await journal.open()
    with ThreadPoolExecutor(1) as executor:
        served = Served()
        model = Coalescer(lambda columns: [[0.9] for _ in columns["size"]], executor, compiled=compiled)
        served.switch(live_of(model, contract()))
        packages = Packages(PackageStore(str(home / "store")), home / "cache", executor)
        reporter = Reporter(journal, clock, "serving/0", 0, "0")
        activator = Activator(served, packages, home / "releases", reporter, lambda: None)
        health = Health(settings, 0, 1, journal, activator, Follower(settings, activator, clock), clock)
        health.started = True
        predictor = Predictor(journal, served, clock, "serving/0")
        outcomes = Outcomes(journal, served, clock, "serving/0")
        parity = Parity(served, packages, 0, health.wrong)
        yield Front(predictor, outcomes, health, keys, Throttle(0), body_bytes, behind, parity)
    journal.close()


@asynccontextmanager
async def listening(app: App) -> AsyncIterator[str]:
    """The app behind a real socket; its address."""
    with socket.create_server(("127.0.0.1", 0)) as place:
        server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_config=None, ws="none"))
        running = asyncio.create_task(server.serve(sockets=[place]))
        try:
            yield f"http://127.0.0.1:{place.getsockname()[1]}"
        finally:
            server.should_exit = True
            await running
