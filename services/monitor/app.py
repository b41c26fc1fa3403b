"""Builds the monitor: settings, database, the data topics' consumer, the closing step."""

import asyncio
import datetime as dt
import gc
from functools import partial
from typing import Any

from fastapi import FastAPI

from services.monitor import api
from services.monitor.baseline import Baselines
from services.monitor.closing import Closing
from services.monitor.drifting import Drifting
from services.monitor.handlers import add_handlers
from services.monitor.ingest import Ingest
from services.monitor.lease import Lease
from services.monitor.measured_rollbacks import MeasuredRollbacks
from services.monitor.reconciling import Reconciling
from services.monitor.rollbacks import Rollbacks
from services.monitor.settings import MonitorSettings
from services.monitor.store import BlockStore, Contracts, LookStore, ReleaseStore
from services.monitor.technical_rollbacks import TechnicalRollbacks
from services.monitor.tidying import Tidying
from services.monitor.values import Values
from shared.package import PackageStore
from shared.spine import logs
from shared.spine.app import Service, build_app, serve
from shared.spine.clock import Clock
from shared.spine.db import Database
from shared.spine.in_turn import in_turn
from shared.spine.settings import read_settings
from shared.spine.subscribe import ServiceRouter

_LOOK_SECONDS = 0.05


class Monitor:
    """The parts of the running monitor."""

    def __init__(self, settings: MonitorSettings) -> None:
        self.settings = settings
        self.db = Database(settings.database)
        self.clock = Clock(settings.clock)
        self.contracts = Contracts()
        self.lease = Lease(self.db, f"monitor-{settings.instance}", settings.monitor_lease_seconds)
        leased = self.db.fenced_by(self.lease.fence)
        baselines = Baselines(PackageStore(settings.packages_location), settings.home / "monitor" / "packages")
        self.closing = Closing(
            leased,
            settings.feedback_location,
            self.contracts,
            settings.monitor_keep_days,
            baselines,
            patient=settings.clock == "wall",
        )
        self.rollbacks = Rollbacks(leased, self.contracts)
        self.technical = TechnicalRollbacks(leased, settings.feedback_location, self.contracts)
        self.measured = MeasuredRollbacks(leased, self.contracts)
        self.drifting = Drifting(leased, settings.feedback_location, self.contracts, baselines, settings.seed)
        router = ServiceRouter("monitor", settings.instance, settings.kafka_session_seconds)
        add_handlers(router)
        self.service = Service(
            name="monitor",
            settings=settings,
            clock=self.clock,
            db=self.db,
            router=router,
            http=[api.router],
            context={"contracts": self.contracts},
            background=[self._consume, self.lease.run, self._go_on],
            pending=self._pending,
            detail=self._detail,
        )
        self.ingest = Ingest(settings, self.db, self.contracts, self.service.dead_letters, self.service.policy.bugs)
        self.clock.on_step(self._learn)
        # In a replay the day's rows must be in the tables before its blocks close.
        if settings.clock == "replay":
            self.clock.on_step(self.ingest.catch_up)
        self.reconciling = Reconciling(self.db, self.closing)
        self.clock.on_step(self._judge)
        # Last, and only where all went well: old days are dropped, of which every block must have been closed.
        self.clock.on_step(self.lease.only_here(Tidying(settings, self.contracts).step))

    async def _judge(self, now: dt.datetime) -> None:
        """Whoever holds the lease closes blocks and judges.

        None waits for another's success: evidence is what was there before this step, and a step may come again.
        """
        steps = (self.closing, self.rollbacks, self.technical, self.measured, self.drifting, self.reconciling)
        await in_turn((type(one).__name__, partial(self.lease.only_here(one.step), now)) for one in steps)

    async def _learn(self, _now: dt.datetime) -> None:
        await self.contracts.refresh(self.db)

    async def _go_on(self) -> None:
        """Whoever takes the lease does the last step again: its holder may not have come to the end of it."""
        while True:
            await self.lease.taken.wait()
            self.lease.taken.clear()
            if now := self.clock.known:
                await self.clock.advance(now)

    async def _consume(self) -> None:
        # A consumer of a topic that is not there yet would wait for minutes.
        while not self.service.ready:  # noqa: ASYNC110 - the spine shows readiness as a flag
            await asyncio.sleep(_LOOK_SECONDS)
        await self.ingest.run()

    async def _pending(self) -> dict[str, int]:
        if self.clock.mode == "replay" and (now := self.clock.known):
            async with self.db.read() as session:
                closed_at = await LookStore(session).get_closed_at()
            if closed_at is None or closed_at < now:
                # Asked many times in a step: nobody need know meanwhile how far the tables are.
                return {"steps": 1}
        return {"steps": 0, **await self.ingest.pending()}

    async def _detail(self) -> dict[str, Any]:
        async with self.db.read() as session:
            return {
                "last_block": dict(await BlockStore(session).list_last()),
                "closes_blocks": self.lease.held,
                "releases": await ReleaseStore(session).list_current(),
                "regret": self.rollbacks.detail(),
                "technical": self.technical.detail(),
                "measured": self.measured.detail(),
                "drift": await self.drifting.detail(),
            }


def make_app(settings: MonitorSettings) -> FastAPI:
    """Everything wired together; nothing runs before the app's lifespan begins."""
    monitor = Monitor(settings)
    app = build_app(monitor.service)
    app.state.feedback = settings.feedback_location
    app.state.values = Values(monitor.db, monitor.contracts)
    return app


def main() -> None:
    """Run the monitor until SIGTERM."""
    # A stream makes many short-lived lists: looking for cycles among them at the usual pace costs much and finds none.
    gc.set_threshold(50_000, 50, 100)
    settings = read_settings(MonitorSettings)
    logs.setup("monitor", settings.log_level)
    serve(make_app(settings), settings.monitor_host, settings.monitor_port)


if __name__ == "__main__":
    main()
