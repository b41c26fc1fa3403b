"""A candidate from its training to its end: opened, superseded, promoted, closed on a gate, or expired."""

import logging
from datetime import datetime
from functools import partial

from sqlalchemy.ext.asyncio import AsyncSession

from services.registry.candidate_store import CandidateStore, EvaluationStore
from services.registry.ledger import Entry
from services.registry.packages import Packages, Prepared
from services.registry.probation import list_probations
from services.registry.promotion import Judgement, Pair, pair_up, should_promote, why_not_now
from services.registry.record import SOURCE, record_rejection, record_release
from services.registry.releases import Refusal
from services.registry.standing import Standing, assert_unchanged, load_standing
from services.registry.store import LedgerStore
from services.registry.tables import CandidateRow
from shared.events import Event, ModelRejected, ModelReleased, ModelTrained
from shared.spine.db import Database
from shared.spine.in_turn import in_turn

log = logging.getLogger(__name__)


async def open_candidate(
    session: AsyncSession, event: ModelTrained, prepared: Prepared, standing: Standing, now: datetime
) -> None:
    """One open candidate per use case: only a package with later training data takes its place."""
    known = await CandidateStore(session).get_open(event.use_case)
    if prepared.digest in {known and known.package_digest, standing.current and standing.current.package}:
        log.info("trained again: nothing is new", extra={"package": prepared.digest})
        return
    if known is not None and prepared.manifest.train_until <= known.train_until:
        until = f"the open candidate was trained up to {known.train_until.isoformat()}"
        why = f"{until}; this one, up to {prepared.manifest.train_until.isoformat()}, knows nothing newer"
        behaviour = prepared.manifest.behaviour_digest
        await record_rejection(session, _superseded(event, "rejected", prepared.digest, behaviour, why, now))
        return
    if known is not None:
        why = f"a newer training, up to {prepared.manifest.train_until.isoformat()}, takes its place"
        closed = _superseded(event, "superseded", known.package_digest, known.behaviour_digest, why, now)
        await record_rejection(session, closed)
    await CandidateStore(session).open(event, prepared.manifest, now)
    await LedgerStore(session).append(_opened(event, prepared, now))


def _superseded(
    event: ModelTrained, subject: str, package: str, behaviour: str, why: str, now: datetime
) -> ModelRejected:
    return ModelRejected.follow(
        event,
        subject,
        source=SOURCE,
        time=now,
        use_case=event.use_case,
        package_digest=package,
        behaviour_digest=behaviour,
        gate="superseded",
        explanation=why,
    )


def _opened(event: ModelTrained, prepared: Prepared, now: datetime) -> Entry:
    retraining = prepared.contract.retraining
    return Entry(
        kind="candidate_opened",
        use_case=event.use_case,
        at=now,
        text=f"a package trained up to {prepared.manifest.train_until.isoformat()} passes every gate; it is promoted "
        f"once e-value {1 / retraining.alpha:.4g} is reached, or closed after {retraining.candidate_expires}",
        event_id=event.id,
        behaviour_digest=prepared.manifest.behaviour_digest,
        contract_digest=prepared.contract.digest,
        package_digest=prepared.digest,
    )


async def gather_evidence(
    session: AsyncSession, candidate: CandidateRow, standing: Standing, before: datetime | None = None
) -> tuple[list[Pair], dict[str, Event]]:
    """The candidate's evidence in block order, and the events that it rests on, by id; with earlier event time only."""
    store = EvaluationStore(session)
    own = await store.list_for(candidate.use_case, "candidate", before, candidate.package_digest)
    probations = list_probations(standing.history, standing.contract.rollback.probation.delta)
    stand_in = await store.list_for(candidate.use_case, "rollback_target", before) if probations else []
    pairs = pair_up(standing.contract, candidate.train_until, own, stand_in, probations)
    return pairs, {event.id: event for event in own}


async def decide_candidates(now: datetime, db: Database, packages: Packages) -> None:
    """Clock step, after rollbacks: promote what has earned its place, close what has failed or waited too long."""
    async with db.read() as session:
        candidates = await CandidateStore(session).list_open()
    await in_turn((one.use_case, partial(_decide, one, now, db, packages)) for one in candidates)


async def _decide(candidate: CandidateRow, now: datetime, db: Database, packages: Packages) -> None:
    standing = await load_standing(db, candidate.use_case)
    if standing is None:
        return
    contract = standing.contract
    async with db.read() as session:
        pairs, events = await gather_evidence(session, candidate, standing, now)
    judgement = should_promote(pairs, contract.retraining)
    said: ModelReleased | ModelRejected
    if judgement.promote and not why_not_now(standing.history, now, contract.rollback.probation.delta):
        prepared = await packages.prepare(candidate.package_digest, contract)
        said = _promoted_or_closed(candidate, prepared, standing, judgement, events[pairs[-1].event_id], now)
    elif now >= contract.retraining.candidate_expires.after(candidate.opened_at):
        said = _expired(candidate, judgement, str(contract.retraining.candidate_expires), now)
    else:
        return
    async with db.transaction() as session:
        await assert_unchanged(session, candidate.use_case, standing)
        known = await CandidateStore(session).get_open(candidate.use_case)
        if known is None or known.event_id != candidate.event_id:
            return
        if isinstance(said, ModelReleased):
            await record_release(session, said)
        else:
            await record_rejection(session, said)
    log.info("candidate decided", extra={"use_case": candidate.use_case, "event": said.topic})


def _promoted_or_closed(
    candidate: CandidateRow,
    prepared: Prepared | Refusal,
    standing: Standing,
    judgement: Judgement,
    tipped: Event,
    now: datetime,
) -> ModelReleased | ModelRejected:
    """Good evidence is not enough: the gates must hold now, under the contract of now."""
    if isinstance(prepared, Refusal):
        return _closed(candidate, tipped, now, gate=prepared.rule, explanation=prepared.explanation[:4000])
    if verdict := prepared.failed:
        told = {"measured": verdict.measured, "limit": verdict.limit, "explanation": verdict.explanation}
        return _closed(candidate, tipped, now, gate=verdict.gate, **told)
    fields = prepared.release_fields(standing.history, "promotion", now, judgement.explanation, "registry")
    return ModelReleased.follow(tipped, "promotion", source=SOURCE, time=now, **fields)


def _expired(candidate: CandidateRow, judgement: Judgement, days: str, now: datetime) -> ModelRejected:
    trained = ModelTrained.model_validate_json(candidate.event)
    why = f"open since {candidate.opened_at.isoformat()}, longer than {days}; {judgement.explanation}"
    told = {"measured": judgement.e_value, "limit": judgement.threshold, "explanation": why}
    return _closed(candidate, trained, now, gate="expired", **told)


def _closed(candidate: CandidateRow, cause: Event, now: datetime, **told: object) -> ModelRejected:
    return ModelRejected.follow(
        cause,
        "closed",
        source=SOURCE,
        time=now,
        use_case=candidate.use_case,
        package_digest=candidate.package_digest,
        behaviour_digest=candidate.behaviour_digest,
        **told,
    )
