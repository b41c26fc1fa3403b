"""The registry's HTTP routes for use cases, releases and the ledger; thin."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import AwareDatetime
from sqlalchemy.ext.asyncio import AsyncSession

from services.registry import answers
from services.registry.applying import Application, Served, plan_application, put_in_force
from services.registry.candidate_store import CandidateStore
from services.registry.candidates import gather_evidence
from services.registry.capacity import CapacityStore
from services.registry.http import (
    Approver,
    BoundedRoute,
    Operator,
    Parts,
    PartsOf,
    Reader,
    UseCaseName,
    body_text,
    signature,
    standing_of,
    until_settled,
)
from services.registry.packages import Prepared
from services.registry.promotion import should_promote
from services.registry.record import SOURCE, record_release
from services.registry.releases import Refusal, RollbackAsk
from services.registry.rollbacks import grant, plan_rollback
from services.registry.standing import Standing, assert_unchanged, load_standing
from services.registry.store import ActivationStore, LedgerStore, PackageRows, ReleaseStore, UseCaseStore
from services.registry.tables import CapacityRow, ReleaseRow
from shared.contract import Contract, Policy, block_of
from shared.contract.json_schema import contract_json_schema
from shared.contract.problems import ContractError
from shared.contract.read import read_contract
from shared.events import MalformedEventError, ModelReleased
from shared.events.base import SAFE_INTEGER
from shared.spine.problems import Problem

router = APIRouter(prefix="/v1", tags=["registry"], route_class=BoundedRoute)
CONTRACT_TYPES = ("application/yaml", "text/yaml", "application/x-yaml", "application/json")
_CONTRACT_BODY = {
    "requestBody": {
        "required": True,
        "content": {kind: {"schema": {"type": "string", "description": "a contract"}} for kind in CONTRACT_TYPES},
    }
}


@router.get("/schema/contract")
async def contract_schema(_caller: Reader) -> dict[str, Any]:
    """JSON Schema of the use case contract, for editors."""
    return contract_json_schema()


@router.post("/use_cases", openapi_extra=_CONTRACT_BODY)
async def apply(request: Request, parts: PartsOf, caller: Approver, dry_run: bool = False) -> dict[str, Any]:
    """Put a contract in force, or with `dry_run` say what that would change and what a day would look like."""
    contract = await _contract(request)

    async def act() -> dict[str, Any]:
        application = await _plan(parts, contract)
        if dry_run or application.unchanged:
            return application.to_json(dry_run=dry_run)
        async with parts.db.transaction() as session:
            sequence = await put_in_force(session, application, signature(caller), parts.clock.now())
        return application.to_json(dry_run=False, release_sequence=sequence)

    try:
        return await until_settled(act)
    except MalformedEventError as error:
        raise Problem(422, f"the contract is too large for an event: {error}") from error


async def _contract(request: Request) -> Contract:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in CONTRACT_TYPES:
        allowed = ", ".join(CONTRACT_TYPES)
        raise Problem(415, f"content type {kind[:100]!r}: a contract comes as {allowed}", allowed=list(CONTRACT_TYPES))
    text = await body_text(request)
    try:
        return read_contract(text)
    except ContractError as error:
        mistakes = [
            {"line": p.line, "column": p.column, "path": p.path, "message": p.message, "allowed": p.allowed}
            for p in error.problems[:200]
        ]
        raise Problem(422, f"the contract has {len(error.problems)} mistakes", problems=mistakes) from error


async def _plan(parts: Parts, contract: Contract) -> Application:
    standing = await load_standing(parts.db, contract.use_case)
    served = None
    if standing and standing.current:
        async with parts.db.read() as session:
            release = await ReleaseStore(session).get_current(contract.use_case)
            assert release is not None
            under = await UseCaseStore(session).get_contract(release.contract_digest)
        served = Served(release.package_digest, under, Policy.model_validate(release.policy))
    return await plan_application(parts.packages, contract, standing, served)


@router.get("/use_cases")
async def list_use_cases(parts: PartsOf, _caller: Reader) -> list[answers.UseCase]:
    """Every use case and what it serves."""
    async with parts.db.read() as session:
        activations = list(await ActivationStore(session).list_all())
        releases = ReleaseStore(session)
        rows = await UseCaseStore(session).list_all()
        return [
            answers.use_case(
                row,
                await releases.get_current(row.use_case),
                activations,
                capacity=await _capacity(session, row.use_case, row.contract_digest, parts),
            )
            for row in rows
        ]


@router.get("/use_cases/{use_case}")
async def get_use_case(use_case: UseCaseName, parts: PartsOf, _caller: Reader) -> answers.UseCase:
    """One use case with its contract, what it serves, what the workers say, and the candidate with its evidence."""
    standing = await standing_of(parts, use_case)
    async with parts.db.read() as session:
        row = await UseCaseStore(session).get(use_case)
        assert row is not None
        activations = list(await ActivationStore(session).list_all())
        release = await ReleaseStore(session).get_current(use_case)
        waiting = await _candidate(session, standing, parts.clock.now())
        capacity = await _capacity(session, use_case, row.contract_digest, parts)
        return answers.use_case(row, release, activations, standing.contract.to_json(), waiting, capacity)


async def _capacity(session: AsyncSession, use_case: str, contract: str, parts: Parts) -> Sequence[CapacityRow]:
    """What teams have said of blocks that have not ended."""
    if parts.clock.known is None or not await CapacityStore(session).get_last(use_case):
        return ()
    under = await UseCaseStore(session).get_contract(contract)
    return await CapacityStore(session).list_for(use_case, block_of(under, parts.clock.known))


async def _candidate(session: AsyncSession, standing: Standing, now: datetime) -> answers.Candidate | None:
    row = await CandidateStore(session).get_open(standing.contract.use_case)
    if row is None:
        return None
    pairs, _events = await gather_evidence(session, row, standing)
    return answers.candidate(row, standing, should_promote(pairs, standing.contract.retraining), now)


@router.get("/use_cases/{use_case}/releases")
async def list_releases(use_case: UseCaseName, parts: PartsOf, _caller: Reader) -> list[answers.Released]:
    """Every release, oldest first."""
    await standing_of(parts, use_case)
    async with parts.db.read() as session:
        rows = await ReleaseStore(session).list_for(use_case)
    return [answers.Released.model_validate(row) for row in rows]


@router.get("/use_cases/{use_case}/ledger")
async def ledger(
    use_case: UseCaseName,
    parts: PartsOf,
    _caller: Reader,
    at: Annotated[AwareDatetime | None, Query(description="event time, with offset")] = None,
    after: Annotated[int, Query(ge=0, le=SAFE_INTEGER)] = 0,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 10_000,
) -> dict[str, Any]:
    """The history of a use case; `in_production` is its champion at `at` (now by default) and why."""
    await standing_of(parts, use_case)
    async with parts.db.read() as session:
        links = await LedgerStore(session).list_links(use_case, after, limit)
        releases = ReleaseStore(session)
        champion = await (releases.get_at(use_case, at) if at else releases.get_current(use_case))
    entries = [answers.entry(link) for link in links if at is None or link.entry.at <= at]
    return {"use_case": use_case, "at": at, "in_production": _champion(champion, at), "entries": entries}


def _champion(release: ReleaseRow | None, at: datetime | None) -> dict[str, Any] | None:
    if release is None:
        return None
    why = f"released at {release.released_at.isoformat()} by {release.released_by} ({release.cause}): {release.reason}"
    return {**answers.Released.model_validate(release).model_dump(mode="json"), "why": why}


@router.get("/ledger/check")
async def check_ledger(parts: PartsOf, _caller: Reader) -> dict[str, Any]:
    """Whether every line of the whole ledger is what was written."""
    async with parts.db.read() as session:
        found = await LedgerStore(session).verify_chain()
    return {"whole": found is None, "position": found.position if found else None, "reason": found and found.reason}


@router.post("/use_cases/{use_case}/releases", status_code=201)
async def release(
    use_case: UseCaseName, asked: answers.ReleaseAsked, parts: PartsOf, caller: Operator
) -> answers.Released:
    """Release a package by hand: it must be intact, belong to the use case and pass every gate of its contract.

    An approver may force it past the gates, never past the checks of the package itself; it is then on probation.
    """
    if asked.force and "approver" not in caller.roles:
        raise Problem(403, f"{caller.name} needs the role approver to force a release", role="approver")
    by = signature(caller, asked.released_by)
    return await until_settled(partial(_release, parts, use_case, asked, by))


async def _release(parts: Parts, use_case: str, asked: answers.ReleaseAsked, by: str) -> answers.Released:
    standing = await standing_of(parts, use_case)
    if standing.current and (standing.current.package, standing.current.contract) == (
        asked.package,
        standing.contract.digest,
    ):
        raise Problem(409, f"release {standing.current.sequence} serves this package already")
    if not await parts.packages.has(asked.package):
        raise Problem(404, f"package {asked.package} is not in the store", package=asked.package)
    prepared = await parts.packages.prepare(asked.package, standing.contract)
    if isinstance(prepared, Refusal):
        raise Problem(422, f"{prepared.rule}: {prepared.explanation}", check=prepared.rule)
    if (verdict := prepared.failed) and not asked.force:
        numbers = {"gate": verdict.gate, "measured": verdict.measured, "limit": verdict.limit}
        raise Problem(422, f"{verdict.gate}: {verdict.explanation}", **numbers)
    return await _commit_release(parts, use_case, prepared, asked, by)


async def _commit_release(
    parts: Parts, use_case: str, prepared: Prepared, asked: answers.ReleaseAsked, by: str
) -> answers.Released:
    standing = await standing_of(parts, use_case)
    if standing.contract.digest != prepared.contract.digest:
        raise Problem(409, "the contract changed meanwhile; ask again")
    now = parts.clock.now()
    reason = f"{asked.reason}; forced past {prepared.told_failures}" if asked.force else asked.reason
    fields = prepared.release_fields(standing.history, "person", now, reason[:4000], by, forced=asked.force)
    event = ModelReleased.begin(source=SOURCE, time=now, **fields)
    async with parts.db.transaction() as session:
        await assert_unchanged(session, use_case, standing)
        await PackageRows(session).add(prepared.digest, prepared.manifest, now, "available")
        await PackageRows(session).set_status(prepared.digest, "available")
        await record_release(session, event)
    return _released(event)


@router.post("/use_cases/{use_case}/rollbacks", status_code=201)
async def roll_back(
    use_case: UseCaseName, asked: answers.RollbackAsked, parts: PartsOf, caller: Operator
) -> answers.Released:
    """Go back at once: the older package under the current contract, with a higher sequence."""
    by = signature(caller, asked.released_by)
    return await until_settled(partial(_roll_back, parts, use_case, asked, by))


async def _roll_back(parts: Parts, use_case: str, asked: answers.RollbackAsked, by: str) -> answers.Released:
    standing = await standing_of(parts, use_case)
    now = parts.clock.now()
    ask = RollbackAsk(now=now, by_person=True, to=asked.to)
    plan = await plan_rollback(parts.packages, standing, ask, asked.reason, by)
    if isinstance(plan, Refusal):
        raise Problem(409, plan.explanation, rule=plan.rule)
    async with parts.db.transaction() as session:
        await assert_unchanged(session, use_case, standing)
        return _released(await grant(session, plan, partial(ModelReleased.begin, source=SOURCE, time=now)))


def _released(event: ModelReleased) -> answers.Released:
    said = event.model_dump(mode="json", include=set(answers.Released.model_fields))
    return answers.Released(released_at=event.time, **said)
