"""What the trainer does when it hears an event."""

from dataclasses import dataclass
from typing import Annotated

from faststream import Context

from services.trainer.causes import ask_of
from services.trainer.evaluations import EvaluationsDep
from services.trainer.hearing import Hearing
from services.trainer.history import HistoryStore
from services.trainer.requests import decide
from services.trainer.runs import Runs
from services.trainer.store import RequestStore, UseCaseStore
from shared.events import (
    DriftDetected,
    KpiReported,
    ModelRejected,
    ModelReleased,
    ModelTrained,
    TrainingRequested,
    UseCaseApplied,
)
from shared.spine.clock import Clock
from shared.spine.db import Db
from shared.spine.inbox import first_time
from shared.spine.subscribe import ServiceRouter, subscribe


@dataclass(frozen=True)
class Seed:
    """What every random state of a fit comes from."""

    value: int


ClockDep = Annotated[Clock, Context("clock")]
HearingDep = Annotated[Hearing, Context("hearing")]
RunsDep = Annotated[Runs, Context("runs")]
SeedDep = Annotated[Seed, Context("seed")]


def add_handlers(router: ServiceRouter) -> None:
    """Subscribe everything that the trainer listens to."""
    subscribe(router, UseCaseApplied)(on_use_case_applied)
    subscribe(router, TrainingRequested)(on_training_requested)
    subscribe(router, DriftDetected)(on_drift_detected)
    subscribe(router, ModelTrained)(on_model_trained)
    subscribe(router, ModelRejected)(on_model_rejected)
    subscribe(router, ModelReleased)(on_model_released)
    subscribe(router, KpiReported)(on_kpi_reported)


async def on_use_case_applied(event: UseCaseApplied, db: Db) -> None:
    """Keep the contract that later runs are fitted under."""
    async with db.transaction() as session:
        if await first_time(session, event):
            await UseCaseStore(session).set(event)


async def on_training_requested(
    event: TrainingRequested, db: Db, clock: ClockDep, runs: RunsDep, seed: SeedDep, hearing: HearingDep
) -> None:
    """A person's request is decided at once; every other one waits for the clock to move."""
    await hearing.wait()
    now = clock.now()
    async with db.transaction() as session:
        if not await first_time(session, event):
            return
        if event.kind_of_cause == "person":
            await decide(session, event, ask_of(event), now, seed.value)
        else:
            # A sender whose clock is ahead (the wall, in a replay) asks now: its request must not wait for years.
            await RequestStore(session).add(event, event.kind_of_cause, min(event.time, now))
    runs.wake()


async def on_drift_detected(event: DriftDetected, db: Db, clock: ClockDep) -> None:
    """Keep the alarm as a request; it is decided when the clock moves, so that the order of arrival decides nothing."""
    now = clock.now()
    async with db.transaction() as session:
        if await first_time(session, event):
            await RequestStore(session).add(event, "drift", min(event.time, now))


async def on_model_trained(event: ModelTrained, db: Db, clock: ClockDep, evaluations: EvaluationsDep) -> None:
    """A new candidate, from here or elsewhere, is evaluated at once on the days that it never saw."""
    now = clock.now()
    async with db.transaction() as session:
        if await first_time(session, event):
            await HistoryStore(session).add_trained(event, min(event.time, now))
    await evaluations.catch_up(event.use_case)


async def on_model_rejected(event: ModelRejected, db: Db) -> None:
    """Keep what became of a candidate: drift waits longer after retrainings that did not help."""
    async with db.transaction() as session:
        if await first_time(session, event):
            await HistoryStore(session).reject(event)


async def on_model_released(event: ModelReleased, db: Db) -> None:
    """Keep what is served and what it would go back to."""
    async with db.transaction() as session:
        if await first_time(session, event):
            await HistoryStore(session).release(event)


async def on_kpi_reported(event: KpiReported, db: Db, evaluations: EvaluationsDep) -> None:
    """Evaluate what is not served on a block that was judged for the first time; corrections change nothing."""
    if not event.mature:
        return
    async with db.transaction() as session:
        if await first_time(session, event):
            await HistoryStore(session).add_report(event)
    # Also when the event was seen: its evaluations may have been cut off by a crash.
    await evaluations.catch_up(event.use_case)
