"""The registry's HTTP routes for capacities that a team lowers for a block; thin."""

from functools import partial
from typing import Any

from fastapi import APIRouter

from services.registry import answers
from services.registry.capacity import CapacityStore, judge_capacity, record_capacity, words_of
from services.registry.http import (
    BoundedRoute,
    Parts,
    PartsOf,
    Reader,
    Reviewer,
    UseCaseName,
    signature,
    standing_of,
    until_settled,
)
from services.registry.record import SOURCE
from services.registry.releases import Refusal
from services.registry.standing import assert_unchanged
from services.registry.store import ReleaseStore
from shared.contract import Policy, limits_at, with_limits
from shared.events import CapacityChanged
from shared.spine.problems import Problem

router = APIRouter(prefix="/v1", tags=["registry"], route_class=BoundedRoute)


@router.get("/use_cases/{use_case}/capacity")
async def list_capacity(use_case: UseCaseName, parts: PartsOf, _caller: Reader) -> list[answers.CapacityWord]:
    """Everything that teams have said about their capacity, oldest first."""
    await standing_of(parts, use_case)
    async with parts.db.read() as session:
        rows = await CapacityStore(session).list_for(use_case)
    return [answers.capacity_word(row) for row in rows]


@router.post("/use_cases/{use_case}/capacity", status_code=201)
async def change_capacity(
    use_case: UseCaseName, asked: answers.CapacityAsked, parts: PartsOf, caller: Reviewer
) -> answers.CapacityAnswer:
    """Take fewer cases of a decision in one block, or again as many as the contract allows; from the next one on."""
    by = signature(caller, asked.changed_by)
    return await until_settled(partial(_change, parts, use_case, asked, by))


async def _change(parts: Parts, use_case: str, asked: answers.CapacityAsked, by: str) -> answers.CapacityAnswer:
    standing, now = await standing_of(parts, use_case), parts.clock.now()
    wish = judge_capacity(standing.contract, asked.decision, asked.limit, asked.block, now)
    if isinstance(wish, Refusal):
        raise Problem(422, f"{wish.rule}: {wish.explanation}", field=wish.rule)
    forecast = await _forecast(parts, use_case, asked, wish.block)
    async with parts.db.transaction() as session:
        await assert_unchanged(session, use_case, standing)
        event = CapacityChanged.begin(
            source=SOURCE,
            time=now,
            use_case=use_case,
            sequence=await CapacityStore(session).get_last(use_case) + 1,
            block=wish.block,
            decision=asked.decision,
            limit=asked.limit,
            contract_limit=wish.contract_limit,
            reason=asked.reason,
            changed_by=by[:256],
            forecast=forecast,
        )
        await record_capacity(session, event)
        row = (await CapacityStore(session).list_for(use_case, wish.block))[-1]
        return answers.CapacityAnswer(**answers.capacity_word(row).model_dump(), forecast=forecast)


async def _forecast(parts: Parts, use_case: str, asked: answers.CapacityAsked, block: str) -> dict[str, Any] | None:
    """An average day under what was in force for the block, and under the new limit; None where nothing is served."""
    async with parts.db.read() as session:
        release = await ReleaseStore(session).get_current(use_case)
        words = words_of(await CapacityStore(session).list_for(use_case, block))
    if release is None:
        return None
    policy, limits = Policy.model_validate(release.policy), limits_at(words, block)
    before = await parts.packages.forecast(release.package_digest, with_limits(policy, limits))
    after = await parts.packages.forecast(
        release.package_digest, with_limits(policy, {**limits, asked.decision: asked.limit})
    )
    if isinstance(before, Refusal) or isinstance(after, Refusal):
        return None
    return {"before": before.to_json(), "after": after.to_json()}
