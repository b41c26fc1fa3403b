"""What the console does when it hears a lifecycle event: it keeps it; what follows is decided when the clock moves."""

from services.console.store import EventStore
from shared.contract.schema import Contract
from shared.events import (
    ActivationReported,
    DriftDetected,
    Event,
    KpiReported,
    ModelRejected,
    ModelReleased,
    ModelTrained,
    RollbackRequested,
    TrainingFinished,
    TrainingRequested,
    UseCaseApplied,
)
from shared.spine.db import Database, Db
from shared.spine.inbox import first_time
from shared.spine.subscribe import ServiceRouter, subscribe

KEPT: tuple[type[Event], ...] = (
    *(ModelReleased, ModelRejected, ModelTrained, KpiReported, DriftDetected, RollbackRequested),
    *(TrainingRequested, TrainingFinished, ActivationReported),
)


def add_handlers(router: ServiceRouter) -> None:
    """Subscribe everything that the console listens to."""
    subscribe(router, UseCaseApplied)(on_use_case_applied)
    for event in KEPT:
        subscribe(router, event)(on_event)


async def on_use_case_applied(event: UseCaseApplied, db: Db) -> None:
    """Keep the contract that pages speak about; broken ones become dead letters here, not pages that fail for ever."""
    Contract.model_validate(event.contract)
    await keep(db, event)


async def on_event(event: Event, db: Db) -> None:
    """Keep it."""
    await keep(db, event)


async def keep(db: Database, event: Event) -> None:
    """Once, however often it comes."""
    async with db.transaction() as session:
        if await first_time(session, event):
            await EventStore(session).add(event)
