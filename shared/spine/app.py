"""Builds the running service: HTTP up at once, Kafka when it answers, relay, clock, health and metrics."""

import asyncio
import gc
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from fastapi import APIRouter, FastAPI
from fastapi.responses import JSONResponse, Response
from faststream.kafka import KafkaBroker
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from shared.events import TimeAdvanced
from shared.spine import http
from shared.spine.auth import ApiKeys, check_binding
from shared.spine.clock import Clock
from shared.spine.db import Database
from shared.spine.dead_letters import DeadLetters
from shared.spine.error_policy import ErrorPolicy
from shared.spine.outbox import waiting
from shared.spine.publisher import Publisher
from shared.spine.relay import Relay
from shared.spine.replayed_time import last_time
from shared.spine.settings import SpineSettings
from shared.spine.subscribe import ServiceRouter, make_broker, subscribe
from shared.spine.throttle import Throttle
from shared.spine.topics import provision
from shared.spine.watchdog import Watchdog

log = logging.getLogger(__name__)

Background = Callable[[], Awaitable[None]]
Counts = Callable[[], Awaitable[dict[str, int]]]
Details = Callable[[], Awaitable[dict[str, Any]]]


async def _nothing() -> dict[str, Any]:
    return {}


@dataclass
class Service:
    """The parts of one service; its `app.py` fills this in and nothing else builds things."""

    name: str
    settings: SpineSettings
    clock: Clock
    db: Database
    router: ServiceRouter
    http: Sequence[APIRouter] = ()
    context: dict[str, Any] = field(default_factory=dict)
    background: Sequence[Background] = ()
    pending: Counts = _nothing
    detail: Details = _nothing

    def __post_init__(self) -> None:
        options = self.settings.kafka_options()
        self.publisher = Publisher(options)
        self.dead_letters = DeadLetters(Publisher(options), self.name)
        self.policy = ErrorPolicy(self.name, self.dead_letters, self.settings.bugs_in_a_row)
        self.keys = ApiKeys(self.settings.api_keys_file)
        self.ready = False
        self.failed: str | None = None
        self.kafka_fault = ""
        self.broker: KafkaBroker | None = None
        if self.settings.clock == "replay":
            subscribe(self.router, TimeAdvanced, each_member=True)(self._on_time_advanced)

    async def _on_time_advanced(self, event: TimeAdvanced) -> None:
        await self.clock.advance(event.now)

    async def start_kafka(self) -> None:
        """Try until Kafka answers: topics, the clock of a replay, then the consumers."""
        wait = 0.1
        while not self.ready:
            broker = make_broker(self.settings, self.router, self.policy)
            for name, value in {"db": self.db, "clock": self.clock, **self.context}.items():
                broker.context.set_global(name, value)
            try:
                options = self.settings.kafka_options()
                await provision(options, self.settings.kafka_replication_factor, self.settings.kafka_data_partitions)
                if self.settings.clock == "replay" and (now := await last_time(options)):
                    self.clock.set(now)
                await broker.start()
                self.broker, self.ready = broker, True
                log.info("ready")
            except Exception as error:
                self.kafka_fault = f": {error}"[:300]
                log.warning("Kafka is not there yet", extra={"error": repr(error)[:300], "wait_seconds": wait})
                with suppress(Exception):
                    await broker.stop()
                await asyncio.sleep(wait)
                wait = min(wait * 2, 3.0)

    async def reasons_not_ready(self) -> list[str]:
        """Empty when the service does its work."""
        reasons = [*filter(None, (self.failed, self.clock.fault)), *self.policy.bugs.stopped.values()]
        return reasons if self.ready else [*reasons, f"Kafka has not answered yet{self.kafka_fault}"]

    async def status(self, *, detail: bool = True) -> dict[str, Any]:
        """What `headrace status` and the replay ask: quiet means that nothing is under way here."""
        pending = await self.pending()
        # Last, and in a read of its own: a step that has ended meanwhile may have left an event.
        async with self.db.read() as session:
            pending = {"outbox": await waiting(session), **pending}
        now = self.clock.known
        return {
            "service": self.name,
            "ready": not await self.reasons_not_ready(),
            "clock": now.isoformat() if now else None,
            "quiet": not any(pending.values()),
            "pending": pending,
            "detail": await self.detail() if detail else {},
        }


def build_app(service: Service) -> FastAPI:
    """The HTTP app of a service; its lifespan runs everything else."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            await service.db.create_tables()
            stack.push_async_callback(service.db.close)
            stack.push_async_callback(service.publisher.stop)
            stack.push_async_callback(service.dead_letters.stop)
            tasks = [asyncio.create_task(_guard(service, job), name=name) for name, job in _jobs(service).items()]
            stack.push_async_callback(_end, service, tasks)
            yield

    app = FastAPI(title=f"Headrace {service.name}", lifespan=lifespan)
    app.state.api_keys = service.keys
    app.state.service = service
    http.install(app)
    throttle = Throttle(service.settings.requests_per_second)
    app.add_middleware(http.ThrottleMiddleware, throttle=throttle, keys=service.keys)
    for router in service.http:
        app.include_router(router)
    _add_health(app, service)
    return app


def serve(app: FastAPI, host: str, port: int) -> None:
    """Run until SIGTERM."""
    check_binding(host, app.state.api_keys, app.state.service.settings.environment)
    # Code stays: no collection need look through it.
    gc.freeze()
    # A client is known by its peer's address; a header that anybody can write changes nothing about that.
    options: dict[str, Any] = {"log_config": None, "access_log": False, "proxy_headers": False}
    uvicorn.run(app, host=host, port=port, timeout_graceful_shutdown=10, **options)


def _jobs(service: Service) -> dict[str, Background]:
    jobs: dict[str, Background] = {
        "kafka": service.start_kafka,
        "relay": Relay(service.db, service.publisher, service.name).run,
        "watchdog": Watchdog(service).run,
    }
    if service.settings.clock == "wall":
        jobs["clock"] = lambda: service.clock.follow_wall(service.settings.clock_step_seconds, service.name)
    for number, job in enumerate(service.background):
        jobs[f"background-{number}"] = job
    return jobs


async def _guard(service: Service, job: Background) -> None:
    """A background job that breaks makes the service not ready, and is started again."""
    wait = 0.1
    while True:
        try:
            await job()
            return
        except Exception as error:
            service.failed = f"a background job failed: {error!r}"[:300]
            log.exception("background job failed; starting it again")
            await asyncio.sleep(wait)
            wait = min(wait * 2, 5.0)
            service.failed = None


async def _end(service: Service, tasks: list[asyncio.Task[None]]) -> None:
    if service.broker:
        with suppress(Exception):
            # A stopped consumer holds its record for ever: nobody waits for that.
            await asyncio.wait_for(service.broker.stop(), 1 if service.policy.bugs.stopped else 8)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _add_health(app: FastAPI, service: Service) -> None:
    @app.get("/healthz", tags=["health"])
    async def healthz() -> dict[str, str]:
        """Alive."""
        return {"status": "alive"}

    @app.get("/readyz", tags=["health"])
    async def readyz() -> JSONResponse:
        """Ready to work, or why not."""
        reasons = await service.reasons_not_ready()
        return JSONResponse({"ready": not reasons, "reasons": reasons}, 503 if reasons else 200)

    @app.get("/metrics", tags=["health"])
    async def metrics() -> Response:
        """Prometheus metrics."""
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    @app.get("/v1/status", tags=["health"])
    async def status(detail: bool = True) -> dict[str, Any]:
        """Clock, what is pending, and, unless `detail=false`, details."""
        return await service.status(detail=detail)
