"""All SQL about what the trainer hears of packages, releases and judged blocks, and about what it evaluated."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from services.trainer.causes import read_as, to_document
from services.trainer.evaluation import Release, Report, Trained
from services.trainer.tables import BlockRow, ContractRow, EvaluationRow, PackageRow, ReleaseRow
from shared.contract import Contract
from shared.events import KpiReported, ModelRejected, ModelReleased, ModelTrained, PackageEvaluated

# Gates of `model_rejected` that are no verdict on the package's quality; whatever else is named there is one.
ENDS = {"superseded": "superseded", "expired": "expired"}


@dataclass(frozen=True)
class Facts:
    """Everything that decides what is due for a use case."""

    contracts: dict[str, Contract]
    trained: list[Trained]
    releases: list[Release]
    reports: list[Report]
    done: set[tuple[str, str, str]]


class HistoryStore:
    """Packages and what became of them, releases, judged blocks. Topics may be heard in any order."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add_trained(self, event: ModelTrained, at: datetime) -> None:
        """Keep a package; with more data it supersedes the open one, with less or the same it is none."""
        row = await self._get_package(event.use_case, event.package_digest)
        if row.event is not None:
            return
        row.event, row.trained_at, row.train_until = to_document(event), at, event.train_until
        if row.status != "open":
            return
        query = select(PackageRow).where(PackageRow.use_case == event.use_case, PackageRow.status == "open")
        for other in await self._session.scalars(query.where(PackageRow.digest != row.digest)):
            assert other.train_until is not None
            loser = other if other.train_until < row.train_until else row
            loser.status, loser.closed_at = "superseded", at

    async def reject(self, event: ModelRejected) -> None:
        """Close a candidate; the registry's word on why stands, but for a package that was released."""
        row = await self._get_package(event.use_case, event.package_digest)
        if row.status != "released":
            row.status = ENDS.get(event.gate, "rejected")
        row.closed_at = min(row.closed_at or event.time, event.time)

    async def release(self, event: ModelReleased) -> None:
        """Keep the release; what is or was served is no candidate any more."""
        key = (event.use_case, event.sequence)
        if await self._session.get(ReleaseRow, key) is None:
            row = ReleaseRow(use_case=key[0], sequence=key[1], package_digest=event.package_digest)
            row.rollback_target, row.released_at = event.rollback_target, event.time
            self._session.add(row)
        package = await self._get_package(event.use_case, event.package_digest)
        package.status, package.closed_at = "released", min(package.closed_at or event.time, event.time)

    async def add_report(self, event: KpiReported) -> None:
        """Keep the first mature report of a block of a release."""
        key = (event.use_case, event.block, event.release_sequence)
        if event.mature and await self._session.get(BlockRow, key) is None:
            row = BlockRow(use_case=key[0], block=key[1], release_sequence=key[2])
            row.contract_digest, row.judged_at, row.event = event.contract_digest, event.time, to_document(event)
            self._session.add(row)

    async def _get_package(self, use_case: str, digest: str) -> PackageRow:
        row = await self._session.get(PackageRow, (use_case, digest))
        if row is None:
            row = PackageRow(use_case=use_case, digest=digest, status="open")
            self._session.add(row)
        return row


class EvaluationStore:
    """What is evaluated, what was, and the events that caused it."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def get_facts(self, use_case: str) -> Facts:
        """Everything that `list_due` looks at."""
        packages = await self._session.execute(
            select(PackageRow.digest, PackageRow.train_until, PackageRow.trained_at, PackageRow.closed_at)
            .where(PackageRow.use_case == use_case, PackageRow.trained_at.is_not(None))
            # Superseded from the start: it never was the open candidate.
            .where((PackageRow.status != "superseded") | (PackageRow.closed_at > PackageRow.trained_at))
            .order_by(PackageRow.digest)
        )
        releases = await self._session.execute(
            select(ReleaseRow.sequence, ReleaseRow.package_digest, ReleaseRow.rollback_target)
            .where(ReleaseRow.use_case == use_case)
            .order_by(ReleaseRow.sequence)
        )
        reports = await self._session.execute(
            select(BlockRow.block, BlockRow.release_sequence, BlockRow.judged_at, BlockRow.contract_digest)
            .where(BlockRow.use_case == use_case)
            .order_by(BlockRow.block, BlockRow.release_sequence)
        )
        done = await self._session.execute(
            select(EvaluationRow.package_digest, EvaluationRow.block, EvaluationRow.role).where(
                EvaluationRow.use_case == use_case
            )
        )
        contracts = await self._session.scalars(select(ContractRow).where(ContractRow.use_case == use_case))
        return Facts(
            contracts={row.digest: Contract.model_validate(row.contract) for row in contracts},
            trained=[Trained(digest, until, at, closed) for digest, until, at, closed in packages if until and at],
            releases=[Release(*row) for row in releases],
            reports=[Report(*row) for row in reports],
            done={(package, block, role) for package, block, role in done},
        )

    async def get_trained(self, use_case: str, package: str) -> ModelTrained:
        """The event that told of a package."""
        row = await self._session.get_one(PackageRow, (use_case, package))
        assert row.event is not None
        return read_as(ModelTrained, row.event)

    async def get_report(self, use_case: str, block: str, release_sequence: int) -> KpiReported:
        """The first mature report of a block of a release."""
        return read_as(KpiReported, (await self._session.get_one(BlockRow, (use_case, block, release_sequence))).event)

    async def is_done(self, use_case: str, package: str, block: str, role: str) -> bool:
        """Whether the package was evaluated on the block in this role."""
        return await self._session.get(EvaluationRow, (use_case, package, block, role)) is not None

    def add(self, event: PackageEvaluated, *, said: bool) -> None:
        """The package was evaluated on the block; `said` is False where there was no label to say anything with."""
        row = EvaluationRow(use_case=event.use_case, package_digest=event.package_digest, block=event.block)
        row.role, row.event_id = event.role, event.id if said else None
        self._session.add(row)
