"""The SQL of candidates and of what packages would have cost."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from services.registry.tables import CandidateRow, EvaluationRow
from shared.events import ModelTrained, PackageEvaluated
from shared.package import Manifest


class CandidateStore:
    """Packages that wait for evidence; one open at a time per use case."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def open(self, event: ModelTrained, manifest: Manifest, now: datetime) -> None:
        """Open a candidate; the table refuses a second one."""
        await self._session.execute(
            insert(CandidateRow).values(
                event_id=event.id,
                use_case=event.use_case,
                package_digest=event.package_digest,
                behaviour_digest=manifest.behaviour_digest,
                train_until=manifest.train_until,
                opened_at=now,
                event=event.model_dump_json(),
                status="open",
            )
        )

    async def get_open(self, use_case: str) -> CandidateRow | None:
        """The open candidate of a use case."""
        query = select(CandidateRow).where(CandidateRow.use_case == use_case, CandidateRow.status == "open")
        return await self._session.scalar(query.execution_options(populate_existing=True))

    async def list_open(self) -> Sequence[CandidateRow]:
        """Every open candidate, by use case."""
        query = select(CandidateRow).where(CandidateRow.status == "open").order_by(CandidateRow.use_case)
        return (await self._session.scalars(query)).all()

    async def close(self, use_case: str, package_digest: str, status: str) -> None:
        """Close the candidate if it is this package; nothing happens when it is not."""
        await self._session.execute(
            update(CandidateRow)
            .where(
                CandidateRow.use_case == use_case,
                CandidateRow.package_digest == package_digest,
                CandidateRow.status == "open",
            )
            .values(status=status)
        )


class EvaluationStore:
    """What a package would have cost in a judged block; written once, so evidence never changes."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, event: PackageEvaluated, evaluated_at: datetime) -> None:
        """Keep an evaluation; of a second one for the same package, block and role nothing is kept."""
        key = (event.package_digest, event.block, event.role)
        if await self._session.get(EvaluationRow, key) is None:
            await self._session.execute(
                insert(EvaluationRow).values(
                    package_digest=event.package_digest,
                    block=event.block,
                    role=event.role,
                    use_case=event.use_case,
                    evaluated_at=evaluated_at,
                    event=event.model_dump_json(),
                )
            )

    async def list_for(
        self, use_case: str, role: str, before: datetime | None = None, package_digest: str | None = None
    ) -> list[PackageEvaluated]:
        """The evaluations in a role, by block; with earlier event time and of one package, when these are named."""
        query = select(EvaluationRow.event).where(EvaluationRow.use_case == use_case, EvaluationRow.role == role)
        if before is not None:
            query = query.where(EvaluationRow.evaluated_at < before)
        if package_digest is not None:
            query = query.where(EvaluationRow.package_digest == package_digest)
        rows = await self._session.scalars(query.order_by(EvaluationRow.block, EvaluationRow.package_digest))
        return [PackageEvaluated.model_validate_json(row) for row in rows]
