"""What the registry does when it hears an event, and when the clock moves."""

import logging
from datetime import datetime
from functools import partial
from typing import Annotated

from faststream import Context

from services.registry.candidate_store import EvaluationStore
from services.registry.candidates import open_candidate
from services.registry.ledger import Entry
from services.registry.metrics import REGISTRY_ROLLBACK_REQUESTS_TOTAL
from services.registry.packages import Packages, PackagesDep, Prepared
from services.registry.patience import Patience
from services.registry.promotion import is_day
from services.registry.record import SOURCE, record_rejection, record_release
from services.registry.releases import Refusal, RollbackAsk
from services.registry.rollbacks import Plan, explain, grant, plan_rollback
from services.registry.standing import Standing, assert_unchanged, load_standing
from services.registry.store import ActivationStore, LedgerStore, PackageRows, RequestStore
from shared.events import (
    ActivationReported,
    ModelRejected,
    ModelReleased,
    ModelTrained,
    PackageEvaluated,
    RollbackRequested,
)
from shared.spine.clock import Clock
from shared.spine.db import Database, Db
from shared.spine.errors import PermanentError, TransientError
from shared.spine.in_turn import in_turn
from shared.spine.inbox import first_time
from shared.spine.subscribe import ServiceRouter, subscribe

log = logging.getLogger(__name__)
ClockDep = Annotated[Clock, Context("clock")]
PatienceDep = Annotated[Patience, Context("patience")]


def add_handlers(router: ServiceRouter) -> None:
    """Subscribe everything that the registry listens to."""
    subscribe(router, ModelTrained)(on_model_trained)
    subscribe(router, PackageEvaluated)(on_package_evaluated)
    subscribe(router, RollbackRequested)(on_rollback_requested)
    subscribe(router, ActivationReported)(on_activation_reported)


async def on_model_trained(
    event: ModelTrained, db: Db, clock: ClockDep, packages: PackagesDep, patience: PatienceDep
) -> None:
    """The first package that passes every gate is released at once; a later one is a candidate."""
    standing = await load_standing(db, event.use_case)
    prepared = await _examine(event, standing, packages, patience)
    now = clock.now()
    async with db.transaction() as session:
        if not await first_time(session, event):
            return
        await assert_unchanged(session, event.use_case, standing)
        if isinstance(prepared, Prepared):
            await PackageRows(session).add(prepared.digest, prepared.manifest, now, "available")
            await PackageRows(session).set_status(prepared.digest, "available")
        if rejection := _rejection(event, prepared, now):
            await record_rejection(session, rejection)
        elif isinstance(prepared, Prepared) and standing and not standing.history:
            fields = prepared.release_fields([], "first", now, "the first package that passes every gate", "registry")
            await record_release(session, ModelReleased.follow(event, "first", source=SOURCE, time=now, **fields))
        elif isinstance(prepared, Prepared) and standing:
            await open_candidate(session, event, prepared, standing, now)


async def _examine(
    event: ModelTrained, standing: Standing | None, packages: Packages, patience: Patience
) -> Prepared | Refusal:
    """Verify and measure; the event's own words are compared with the package, never believed."""
    if standing is None:
        return Refusal("use_case", f"no contract was ever applied for {event.use_case}")
    if not await packages.has(event.package_digest):
        missing = f"package {event.package_digest} is not in the store"
        raise PermanentError(missing) if patience.is_over(event.id) else TransientError(missing)
    prepared = await packages.prepare(event.package_digest, standing.contract)
    if isinstance(prepared, Refusal):
        return prepared
    for name in ("behaviour_digest", "contract_digest", "train_until"):
        said, found = getattr(event, name), getattr(prepared.manifest, name)
        if said != found:
            return Refusal("event", f"model_trained says {name} {said}, but the package says {found}")
    return prepared


def _rejection(event: ModelTrained, prepared: Prepared | Refusal, now: datetime) -> ModelRejected | None:
    make = partial(
        ModelRejected.follow,
        event,
        "rejected",
        source=SOURCE,
        time=now,
        use_case=event.use_case,
        package_digest=event.package_digest,
    )
    match prepared:
        case Refusal(rule, explanation):
            return make(gate=rule, explanation=explanation[:4000])
        case Prepared(failed=verdict) if verdict is not None:
            return make(
                behaviour_digest=prepared.manifest.behaviour_digest,
                gate=verdict.gate,
                measured=verdict.measured,
                limit=verdict.limit,
                explanation=verdict.explanation,
            )
        case _:
            return None


async def on_package_evaluated(event: PackageEvaluated, db: Db, clock: ClockDep) -> None:
    """Keep what a package would have cost; what follows from it is decided when the clock moves."""
    if not is_day(event.block):
        raise PermanentError(f"block {event.block!r} is not a day")
    async with db.transaction() as session:
        if await first_time(session, event):
            await EvaluationStore(session).add(event, min(event.time, clock.now()))


async def on_rollback_requested(event: RollbackRequested, db: Db, clock: ClockDep) -> None:
    """Keep the request; it is decided when the clock moves, so that the order of arrival decides nothing."""
    async with db.transaction() as session:
        if await first_time(session, event):
            # A sender whose clock is ahead (the wall, in a replay) asks now: its request must not wait for years.
            await RequestStore(session).add(event, min(event.time, clock.now()))


async def decide_rollbacks(now: datetime, db: Database, packages: Packages) -> None:
    """Clock step: answer every request with earlier event time, the earliest first."""
    async with db.read() as session:
        requests = await RequestStore(session).list_open(before=now)
    await in_turn((one.use_case, partial(_decide_rollback, one, now, db, packages)) for one in requests)


async def _decide_rollback(request: RollbackRequested, now: datetime, db: Database, packages: Packages) -> None:
    standing = await load_standing(db, request.use_case)
    ask = RollbackAsk(now=now, by_person=False, to=request.to_package, sequence=request.release_sequence)
    plan = await plan_rollback(packages, standing, ask, explain(request), request.requested_by)
    async with db.transaction() as session:
        await assert_unchanged(session, request.use_case, standing)
        if not await RequestStore(session).is_open(request.id):
            return
        if isinstance(plan, Plan):
            make = partial(ModelReleased.follow, request, "rollback", source=SOURCE, time=now)
            released = await grant(session, plan, make)
            answer = f"release {released.sequence}"
        else:
            answer = f"{plan.rule}: {plan.explanation}"
            await LedgerStore(session).append(_refused(request, answer, now))
        await RequestStore(session).answer(request.id, granted=isinstance(plan, Plan), text=answer)
    outcome = "granted" if isinstance(plan, Plan) else plan.rule
    REGISTRY_ROLLBACK_REQUESTS_TOTAL.labels(request.use_case, outcome).inc()
    log.info("rollback request decided", extra={"use_case": request.use_case, "answer": answer})


def _refused(request: RollbackRequested, answer: str, now: datetime) -> Entry:
    return Entry(
        kind="rollback_refused",
        use_case=request.use_case,
        at=now,
        text=f"{request.requested_by} asked because {explain(request)}; refused, {answer}",
        event_id=request.id,
    )


async def on_activation_reported(event: ActivationReported, db: Db) -> None:
    """Keep what each serving worker says about the release it was told of."""
    async with db.transaction() as session:
        if await first_time(session, event):
            await ActivationStore(session).report(event)
