"""Builds and runs the trainer: `python -m services.trainer.app`."""

import asyncio
from functools import partial

from fastapi import FastAPI

from services.trainer import api
from services.trainer.evaluations import Evaluations
from services.trainer.freshness import Freshness
from services.trainer.handlers import Seed, add_handlers
from services.trainer.hearing import Hearing
from services.trainer.requests import decide_requests
from services.trainer.runs import Runs
from services.trainer.settings import TrainerSettings
from services.trainer.store import RunStore
from shared.evaluation.models import Models
from shared.package.allow_list import warm
from shared.package.store import PackageStore
from shared.spine.app import Service, build_app, serve
from shared.spine.clock import Clock
from shared.spine.db import Database
from shared.spine.logs import setup
from shared.spine.settings import read_settings
from shared.spine.subscribe import ServiceRouter


def make_app(settings: TrainerSettings) -> FastAPI:
    """Everything wired together; nothing runs before the app's lifespan begins."""
    db, clock = Database(settings.database), Clock(settings.clock)
    packages = PackageStore(settings.packages_location)
    patience = None if settings.clock == "replay" else settings.trainer_table_wait_seconds
    freshness = Freshness(settings.kafka_options(), settings.feedback_location, patience)
    runs = Runs(settings, db, clock, packages, freshness.wait)
    hearing = Hearing(settings.kafka_options())
    evaluations = Evaluations(db, settings.feedback_location, Models(packages, settings.packages_cache))
    router = ServiceRouter("trainer", settings.instance, settings.kafka_session_seconds)
    add_handlers(router)
    clock.on_step(partial(decide_requests, db=db, seed=settings.seed, wake=runs.wake))
    service = Service(
        name="trainer",
        settings=settings,
        clock=clock,
        db=db,
        router=router,
        http=[api.router],
        context={"runs": runs, "seed": Seed(settings.seed), "evaluations": evaluations, "hearing": hearing},
        background=[runs.run, partial(asyncio.to_thread, warm)],
        pending=partial(count_pending, db),
    )
    app = build_app(service)
    app.state.db = db
    return app


async def count_pending(db: Database) -> dict[str, int]:
    """Runs that are not finished: the system is not quiet while one is."""
    async with db.read() as session:
        return {"runs_open": await RunStore(session).count_open()}


def main() -> None:
    """Run until SIGTERM."""
    settings = read_settings(TrainerSettings)
    setup("trainer", settings.log_level)
    serve(make_app(settings), settings.trainer_host, settings.trainer_port)


if __name__ == "__main__":
    main()
