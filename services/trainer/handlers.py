"""What the trainer does when it hears an event."""

from dataclasses import dataclass
from typing import Annotated

from faststream import Context

from services.trainer.governor import govern
from services.trainer.metrics import TRAINER_RUNS_TOTAL
from services.trainer.runs import SOURCE, Runs
from services.trainer.store import RunStore, UseCaseStore
from shared.events import TrainingFinished, TrainingRequested, UseCaseApplied
from shared.spine.clock import Clock
from shared.spine.db import Db
from shared.spine.inbox import first_time
from shared.spine.outbox import add_to_outbox
from shared.spine.subscribe import ServiceRouter, subscribe


@dataclass(frozen=True)
class Seed:
    """What every random state of a fit comes from."""

    value: int


ClockDep = Annotated[Clock, Context("clock")]
RunsDep = Annotated[Runs, Context("runs")]
SeedDep = Annotated[Seed, Context("seed")]


def add_handlers(router: ServiceRouter) -> None:
    """Subscribe everything that the trainer listens to."""
    subscribe(router, UseCaseApplied)(on_use_case_applied)
    subscribe(router, TrainingRequested)(on_training_requested)


async def on_use_case_applied(event: UseCaseApplied, db: Db) -> None:
    """Keep the contract that later runs are fitted under."""
    async with db.transaction() as session:
        if await first_time(session, event):
            await UseCaseStore(session).set(event)


async def on_training_requested(
    event: TrainingRequested, db: Db, clock: ClockDep, runs: RunsDep, seed: SeedDep
) -> None:
    """Queue a run, or say why not; the fit itself is never done in a handler."""
    now = clock.now()
    async with db.transaction() as session:
        if not await first_time(session, event):
            return
        store = RunStore(session)
        verdict = govern(event.use_case, event.reason, await store.get_standing(event.use_case))
        run = await store.add(event, verdict, now, seed.value)
        if not verdict.start:
            # Anyone may ask for any name: only known ones become labels.
            TRAINER_RUNS_TOTAL.labels(event.use_case if run.contract else "unknown", "declined").inc()
            declined = TrainingFinished.follow(
                event,
                run.id,
                source=SOURCE,
                time=now,
                use_case=event.use_case,
                run_id=run.id,
                outcome="declined",
                reason=verdict.reason,
            )
            add_to_outbox(session, declined)
    runs.wake()
