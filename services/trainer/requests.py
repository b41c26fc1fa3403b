"""What becomes of requests: a person's at once, all others at the next clock step, in the governor's order."""

from collections.abc import Callable
from datetime import datetime
from functools import partial

from sqlalchemy.ext.asyncio import AsyncSession

from services.trainer.causes import ask_of, from_document
from services.trainer.governor import Ask, govern, in_order, schedule_due
from services.trainer.metrics import TRAINER_RUNS_TOTAL
from services.trainer.runs import SOURCE
from services.trainer.store import RequestStore, RunStore, UseCaseStore
from shared.events import DriftDetected, TrainingFinished, TrainingRequested, derived_id
from shared.spine.db import Database
from shared.spine.in_turn import in_turn
from shared.spine.inbox import first_time
from shared.spine.outbox import add_to_outbox

Request = TrainingRequested | DriftDetected


async def decide_requests(now: datetime, db: Database, seed: int, wake: Callable[[], None]) -> None:
    """Clock step: answer every request with earlier event time, together with what the schedule asks for now."""
    async with db.read() as session:
        waiting = {row.use_case for row in await RequestStore(session).list_waiting(before=now)}
        scheduled = await UseCaseStore(session).list_scheduled()
    names = sorted(waiting | set(scheduled))
    try:
        await in_turn((use_case, partial(_answer, db, use_case, now, seed)) for use_case in names)
    finally:
        wake()


async def _answer(db: Database, use_case: str, now: datetime, seed: int) -> None:
    async with db.transaction() as session:
        await _decide(session, use_case, now, seed)


async def _decide(session: AsyncSession, use_case: str, now: datetime, seed: int) -> None:
    waiting = await RequestStore(session).list_waiting(before=now, use_case=use_case)
    requests: dict[str, Request] = {}
    for row in waiting:
        row.decided = True
        request = from_document(row.event)
        assert isinstance(request, TrainingRequested | DriftDetected)
        requests[row.id] = request
    for ask in in_order([ask_of(request) for request in requests.values()]):
        await decide(session, requests[ask.id], ask, now, seed)
    await _ask_by_schedule(session, use_case, now, seed)


async def _ask_by_schedule(session: AsyncSession, use_case: str, now: datetime, seed: int) -> None:
    """The schedule is the last in the order: it sees the runs that were started at this step."""
    due = schedule_due(await RunStore(session).get_standing(use_case, now), now)
    if due is None:
        return
    request = TrainingRequested.begin(
        id=derived_id(use_case, TrainingRequested.topic, f"schedule {due.isoformat()}"),
        source=SOURCE,
        time=now,
        use_case=use_case,
        reason=f"the schedule: due since {due.isoformat(timespec='minutes')}",
        requested_by="the trainer's schedule",
        kind_of_cause="schedule",
    )
    # Marked as heard: it is decided here, and told to everybody else.
    if await first_time(session, request):
        add_to_outbox(session, request)
        await decide(session, request, ask_of(request), now, seed)


async def decide(session: AsyncSession, request: Request, ask: Ask, now: datetime, seed: int) -> None:
    """Queue a run as of `now`, or say why not; the fit itself is never done here."""
    runs = RunStore(session)
    verdict = govern(ask, await runs.get_standing(ask.use_case, now), now)
    run = await runs.add(request, verdict, now, seed)
    if verdict.start:
        return
    # Anyone may ask for any name: only known ones become labels.
    TRAINER_RUNS_TOTAL.labels(ask.use_case if run.contract else "unknown", "declined").inc()
    declined = TrainingFinished.follow(
        request,
        run.id,
        source=SOURCE,
        time=now,
        use_case=ask.use_case,
        run_id=run.id,
        outcome="declined",
        reason=verdict.reason,
    )
    add_to_outbox(session, declined)
