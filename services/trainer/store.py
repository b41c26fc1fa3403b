"""All SQL of the trainer."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from services.trainer.causes import signs_of, to_document
from services.trainer.governor import Standing, Started, Verdict, streak
from services.trainer.tables import OPEN, ContractRow, PackageRow, RequestRow, RunRow, UseCaseRow
from shared.contract import Contract
from shared.events import DriftDetected, TrainingRequested, UseCaseApplied
from shared.events.base import derived_id


@dataclass(frozen=True)
class Ending:
    """How a run ended."""

    state: str
    reason: str
    wall_seconds: float
    log: str
    package_digest: str | None = None
    lineage: dict[str, str] | None = None


class UseCaseStore:
    """Contracts in force."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def get(self, use_case: str) -> UseCaseRow | None:
        """The contract in force, if one was ever applied."""
        return await self._session.get(UseCaseRow, use_case)

    async def list_scheduled(self) -> list[str]:
        """The use cases whose contract retrains on a schedule."""
        rows = await self._session.scalars(select(UseCaseRow).order_by(UseCaseRow.use_case))
        return [row.use_case for row in rows if row.contract.get("retraining", {}).get("every")]

    async def get_contract(self, use_case: str, digest: str) -> Contract | None:
        """A contract that was applied at some time."""
        row = await self._session.get(ContractRow, (use_case, digest))
        return Contract.model_validate(row.contract) if row else None

    async def set(self, event: UseCaseApplied) -> None:
        """Keep the contract; it is in force unless a later revision is known."""
        key = (event.use_case, event.contract_digest)
        if await self._session.get(ContractRow, key) is None:
            self._session.add(ContractRow(use_case=key[0], digest=key[1], contract=event.contract))
        row = await self.get(event.use_case)
        if row is not None and row.revision >= event.revision:
            return
        row = row or UseCaseRow(use_case=event.use_case)
        row.revision, row.contract_digest, row.contract = event.revision, event.contract_digest, event.contract
        self._session.add(row)


class RequestStore:
    """Requests that wait for the clock to move."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, event: TrainingRequested | DriftDetected, kind: str, at: datetime) -> None:
        """Keep the request; `at` says from which step on it counts."""
        row = RequestRow(id=event.id, use_case=event.use_case, kind=kind, at=at, event=to_document(event))
        self._session.add(row)

    async def list_waiting(self, before: datetime, use_case: str | None = None) -> Sequence[RequestRow]:
        """Requests that nobody has answered, with event time before `before`."""
        query = select(RequestRow).where(RequestRow.decided.is_(False), RequestRow.at < before)
        if use_case is not None:
            query = query.where(RequestRow.use_case == use_case)
        return (await self._session.scalars(query.order_by(RequestRow.at, RequestRow.id))).all()


class RunStore:
    """Runs, their leases and their ends."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def get_standing(self, use_case: str, now: datetime) -> Standing:
        """What the governor must know at `now`: of others' events only those with earlier event time."""
        row = await UseCaseStore(self._session).get(use_case)
        contract = Contract.model_validate(row.contract) if row else None
        # A run that was declined by its fit was started all the same.
        was_started = or_(RunRow.state != "declined", RunRow.attempt > 0)
        query = (
            select(RunRow.id, RunRow.as_of, RunRow.cause, RunRow.state, RunRow.package_digest)
            .where(RunRow.use_case == use_case, was_started)
            .order_by(RunRow.as_of, RunRow.id)
        )
        runs = (await self._session.execute(query)).all()
        ends = await self._ends(use_case, now)
        return Standing(
            contract=contract,
            open_runs=tuple(run.id for run in runs if run.state in OPEN),
            started=tuple(Started(run.id, run.as_of, signs_of(run.cause)) for run in runs),
            unhelpful=streak([ends.get(run.package_digest, "open") for run in runs if run.package_digest]),
        )

    async def _ends(self, use_case: str, now: datetime) -> dict[str, str]:
        """What became of each package before `now`."""
        query = select(PackageRow.digest, PackageRow.status)
        query = query.where(PackageRow.use_case == use_case, PackageRow.closed_at < now)
        return {row.digest: row.status for row in await self._session.execute(query)}

    async def add(
        self, event: TrainingRequested | DriftDetected, verdict: Verdict, as_of: datetime, seed: int
    ) -> RunRow:
        """Write down the request: queued, or declined at once."""
        contract = await UseCaseStore(self._session).get(event.use_case)
        row = RunRow(
            id=derived_id(event.id, "training_run", event.use_case),
            use_case=event.use_case,
            cause=to_document(event),
            as_of=as_of,
            seed=seed,
            contract_digest=contract.contract_digest if contract else None,
            contract=contract.contract if contract else None,
            state="queued" if verdict.start else "declined",
            reason=verdict.reason,
        )
        self._session.add(row)
        await self._session.flush()
        return row

    async def list_open(self) -> Sequence[RunRow]:
        """Runs that are not finished, oldest first."""
        query = select(RunRow).where(RunRow.state.in_(OPEN)).order_by(RunRow.as_of, RunRow.id)
        return (await self._session.scalars(query)).all()

    async def list_recent(self, limit: int = 100) -> Sequence[RunRow]:
        """The latest runs, newest first."""
        query = select(RunRow).order_by(RunRow.as_of.desc(), RunRow.id).limit(limit)
        return (await self._session.scalars(query)).all()

    async def count_open(self) -> int:
        """How many runs are not finished."""
        query = select(func.count()).select_from(RunRow).where(RunRow.state.in_(OPEN))
        return await self._session.scalar(query) or 0

    async def take(self, run: RunRow, owner: str) -> int | None:
        """Take the lease if nobody moved the heartbeat since `run` was read; returns the number of the attempt."""
        taken = await self._change(
            run.id,
            RunRow.heartbeat == run.heartbeat,
            state="running",
            owner=owner,
            heartbeat=run.heartbeat + 1,
            attempt=run.attempt + 1,
        )
        return run.attempt + 1 if taken else None

    async def set_table_version(self, run_id: str, attempt: int, version: list[int | None]) -> None:
        """Pin what the first attempt reads; later attempts read the same."""
        await self._change(run_id, RunRow.attempt == attempt, table_version=version)

    async def beat(self, run_id: str, attempt: int) -> bool:
        """Say that this attempt is alive; False when the lease is lost."""
        return await self._change(run_id, RunRow.attempt == attempt, heartbeat=RunRow.heartbeat + 1)

    async def finish(self, run_id: str, attempt: int, ending: Ending) -> bool:
        """Close the run; False when another attempt has the lease, whose end counts instead."""
        values = {name: getattr(ending, name) for name in Ending.__dataclass_fields__}
        return await self._change(run_id, RunRow.attempt == attempt, **values)

    async def _change(self, run_id: str, condition: Any, **values: Any) -> bool:
        statement = update(RunRow).where(RunRow.id == run_id, RunRow.state.in_(OPEN), condition).values(**values)
        result = await self._session.execute(statement.execution_options(synchronize_session=False))
        return bool(result.rowcount == 1)  # type: ignore[attr-defined]
