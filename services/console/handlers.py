"""What the console does when it hears a lifecycle event: it keeps it; what follows is decided when the clock moves."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Annotated

from faststream import Context

from services.console.incidents import told_by
from services.console.notices import NoticeStore
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
from shared.spine.clock import Clock
from shared.spine.db import Database, Db
from shared.spine.errors import PermanentError
from shared.spine.inbox import first_time
from shared.spine.subscribe import ServiceRouter, subscribe

ClockDep = Annotated[Clock, Context("clock")]
TargetsDep = Annotated[tuple[str, ...], Context("targets")]
# A console that reads years of history for the first time tells nobody of what is long over.
NEWS = timedelta(days=3)
KEPT: tuple[type[Event], ...] = (
    *(ModelReleased, ModelRejected, ModelTrained, KpiReported, DriftDetected, RollbackRequested),
    *(TrainingRequested, TrainingFinished, ActivationReported),
)


def add_handlers(router: ServiceRouter) -> None:
    """Subscribe everything that the console listens to."""
    subscribe(router, UseCaseApplied)(on_use_case_applied)
    for event in KEPT:
        subscribe(router, event)(on_event)


async def on_use_case_applied(event: UseCaseApplied, db: Db, targets: TargetsDep) -> None:
    """Keep the contract that pages speak about; broken ones become dead letters here, not pages that fail for ever."""
    Contract.model_validate(event.contract)
    await keep(db, event, targets)


async def on_event(event: Event, db: Db, clock: ClockDep, targets: TargetsDep) -> None:
    """Keep it, and tell of it where it is an incident and news; what no page could show becomes a dead letter."""
    if isinstance(event, KpiReported):
        _check_day(event.block)
    now = clock.known
    await keep(db, event, targets if now is not None and now - event.time < NEWS else ())


def _check_day(block: str) -> None:
    # Weeks and other spellings are read as days, too: a page could not put them in order.
    try:
        known = date.fromisoformat(block).isoformat() == block
    except ValueError:
        known = False
    if not known:
        raise PermanentError(f"block: {block[:100]!r} is no calendar day such as 2013-03-04")


async def keep(db: Database, event: Event, targets: Sequence[str] = ()) -> None:
    """Once, however often it comes; what is told of it commits with it."""
    async with db.transaction() as session:
        if not await first_time(session, event):
            return
        await EventStore(session).add(event)
        notices = NoticeStore(session, targets)
        incidents = told_by(event)
        if isinstance(event, KpiReported):
            incidents += await notices.follow_limits(event)
        for incident in incidents:
            await notices.tell(incident, event.time)
