"""A rollback from asking to release: the same checks for a person and for a service."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from services.registry.packages import Packages, Prepared
from services.registry.record import record_release
from services.registry.releases import Refusal, RollbackAsk, judge_rollback
from services.registry.standing import Standing
from shared.events import ModelReleased, RollbackRequested


@dataclass(frozen=True)
class Plan:
    """A rollback that may be granted: the older package under the current contract."""

    prepared: Prepared
    fields: dict[str, Any]


def explain(request: RollbackRequested) -> str:
    """The reason of a service with its KPI and evidence, as it stands in ledger and release.

    >>> from datetime import UTC, datetime
    >>> asked = {"use_case": "u", "requested_by": "monitor", "reason": "it loses money", "kpi": "regret"}
    >>> march = datetime(2013, 3, 1, tzinfo=UTC)
    >>> explain(RollbackRequested.begin(source="monitor", time=march, evidence={"e_value": 123.456}, **asked))
    'it loses money (kpi regret; e_value 123.5)'
    """
    numbers = ", ".join(f"{name} {value:.4g}" for name, value in sorted(request.evidence.items()))
    told = "; ".join(part for part in (f"kpi {request.kpi}" if request.kpi else "", numbers) if part)
    return f"{request.reason[:2000]} ({told[:2000]})" if told else request.reason


async def plan_rollback(
    packages: Packages, standing: Standing | None, ask: RollbackAsk, reason: str, by: str
) -> Plan | Refusal:
    """Judge the request, then verify the target and derive its policy anew; slow, so outside any transaction."""
    if standing is None:
        return Refusal("unknown_use_case", "no contract was ever applied for this use case")
    known = {past.package for past in standing.history}
    target = judge_rollback(ask, standing.history, known, standing.contract.rollback)
    if isinstance(target, Refusal):
        return target
    prepared = await packages.prepare(target.package, standing.contract, gates=False)
    if isinstance(prepared, Refusal):
        return Refusal("target_not_usable", f"package {target.package}: {prepared.rule}: {prepared.explanation}")
    return Plan(prepared, prepared.release_fields(standing.history, "rollback", ask.now, reason, by))


async def grant(session: AsyncSession, plan: Plan, make: Callable[..., ModelReleased]) -> ModelReleased:
    """Release the older package; `make` gives the event its cause and time."""
    event = make(**plan.fields)
    await record_release(session, event)
    return event
