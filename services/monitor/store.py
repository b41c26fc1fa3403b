"""All SQL of the monitor."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from services.monitor.changes import Changes, Look, Touched
from services.monitor.tables import (
    BlockRow,
    ContractRow,
    EvaluationRow,
    LookRow,
    ProgressRow,
    ReleaseRow,
    RollbackAskRow,
)
from shared.contract.schema import Contract
from shared.events import ModelReleased, PackageEvaluated, RollbackRequested, UseCaseApplied
from shared.feedback.joined import Versions
from shared.spine.db import Database

_LOOK = 1


class ContractStore:
    """Contracts by digest, and the newest of each use case."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, event: UseCaseApplied) -> None:
        """Keep the contract; the same digest applied again is the newest again."""
        key = (event.use_case, event.contract_digest)
        row = await self._session.get(ContractRow, key)
        if row is None:
            row = ContractRow(use_case=key[0], digest=key[1], revision=event.revision, document=dict(event.contract))
            self._session.add(row)
        row.revision = max(row.revision, event.revision)

    async def list_all(self) -> list[ContractRow]:
        """Every contract, the newest of each use case last."""
        query = select(ContractRow).order_by(ContractRow.use_case, ContractRow.revision, ContractRow.digest)
        return list(await self._session.scalars(query))


class ReleaseStore:
    """Releases by use case and sequence."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, event: ModelReleased) -> None:
        """Keep the release; one that comes late changes nothing else."""
        row = ReleaseRow(
            use_case=event.use_case,
            sequence=event.sequence,
            package_digest=event.package_digest,
            rollback_target=event.rollback_target,
            released_at=event.time,
        )
        await self._session.merge(row)

    async def list_current(self) -> dict[str, int]:
        """Use case -> sequence of what it serves."""
        query = select(ReleaseRow.use_case, func.max(ReleaseRow.sequence)).group_by(ReleaseRow.use_case)
        return {row[0]: row[1] for row in await self._session.execute(query)}

    async def list_in_force(self, before: datetime) -> list[ReleaseRow]:
        """What each use case served just before an event time."""
        newest = (
            select(ReleaseRow.use_case, func.max(ReleaseRow.sequence).label("sequence"))
            .where(ReleaseRow.released_at < before)
            .group_by(ReleaseRow.use_case)
            .subquery()
        )
        same = (ReleaseRow.use_case == newest.c.use_case, ReleaseRow.sequence == newest.c.sequence)
        return list(await self._session.scalars(select(ReleaseRow).join(newest, and_(*same))))

    async def get_last_of(self, package: str, before: ReleaseRow) -> ReleaseRow | None:
        """The newest earlier release of a package."""
        query = self._earlier(before).where(ReleaseRow.package_digest == package)
        return await self._session.scalar(query)

    async def get_last_other(self, before: ReleaseRow) -> ReleaseRow | None:
        """The newest earlier release of any other package."""
        query = self._earlier(before).where(ReleaseRow.package_digest != before.package_digest)
        return await self._session.scalar(query)

    def _earlier(self, before: ReleaseRow) -> Select[ReleaseRow]:
        earlier = (ReleaseRow.use_case == before.use_case, ReleaseRow.sequence < before.sequence)
        return select(ReleaseRow).where(*earlier).order_by(ReleaseRow.sequence.desc()).limit(1)


class EvaluationStore:
    """What packages that are not served would have cost, and the rollbacks that were asked for because of it."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, event: PackageEvaluated) -> None:
        """Keep the first word on a package in a block and a role: what entered evidence never changes."""
        key = (event.use_case, event.package_digest, event.block, event.role)
        if await self._session.get(EvaluationRow, key) is None:
            names = ("use_case", "package_digest", "block", "role")
            row = EvaluationRow(**dict(zip(names, key, strict=True)), told_at=event.time, event=event.model_dump_json())
            self._session.add(row)

    async def list_of_target(self, use_case: str, target: str, before: datetime) -> dict[str, PackageEvaluated]:
        """Block -> what the rollback target would have cost there, as far as it was told before an event time."""
        query = select(EvaluationRow.block, EvaluationRow.event).where(
            EvaluationRow.use_case == use_case,
            EvaluationRow.package_digest == target,
            EvaluationRow.role == "rollback_target",
            EvaluationRow.told_at < before,
        )
        rows = await self._session.execute(query)
        return {block: PackageEvaluated.model_validate_json(event) for block, event in rows}

    async def get_last_asked(self, use_case: str) -> datetime | None:
        """When a rollback was last asked for."""
        query = select(func.max(RollbackAskRow.asked_at)).where(RollbackAskRow.use_case == use_case)
        return await self._session.scalar(query)

    async def add_ask(self, event: RollbackRequested, last_block: str) -> None:
        """Remember a request."""
        assert event.release_sequence is not None
        row = RollbackAskRow(
            use_case=event.use_case,
            release_sequence=event.release_sequence,
            last_block=last_block,
            asked_at=event.time,
            event_id=event.id,
        )
        self._session.add(row)


class LookStore:
    """How far the tables were looked at."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def get(self) -> Look:
        """The last look; an empty one before the first."""
        row = await self._session.get(LookRow, _LOOK)
        if row is None:
            return Look()
        progress = await self._session.scalars(select(ProgressRow))
        following = {(one.topic, one.partition): one.following for one in progress}
        return Look(Versions(row.decisions_version, row.outcomes_version), following, row.marked_at)

    async def get_closed_at(self) -> datetime | None:
        """The event time of the last step that was carried through."""
        row = await self._session.get(LookRow, _LOOK)
        return row.closed_at if row else None

    async def set(self, look: Look) -> None:
        """Where the next look begins."""
        assert look.at is not None
        row = await self._session.get(LookRow, _LOOK)
        if row is None:
            row = LookRow(id=_LOOK, marked_at=look.at)
            self._session.add(row)
        row.decisions_version, row.outcomes_version = look.versions
        row.marked_at = max(row.marked_at, look.at)
        for (topic, partition), following in look.following.items():
            await self._session.merge(ProgressRow(topic=topic, partition=partition, following=following))

    async def set_closed_at(self, now: datetime) -> None:
        """The step at `now` is carried through."""
        row = await self._session.get(LookRow, _LOOK)
        assert row is not None
        row.closed_at = now


class BlockStore:
    """Blocks, one row per (use case, block, release)."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def mark(self, changes: Changes) -> None:
        """Blocks that new rows touch are stale until the next report; unheard-of ones appear."""
        for touched in changes.touched:
            row = await self._session.get(BlockRow, _key(touched))
            if row is None:
                self._session.add(BlockRow(**vars(touched)))
            else:
                row.stale = True

    async def list_undated(self) -> list[BlockRow]:
        """Blocks whose contract was not known when they appeared."""
        return list(await self._session.scalars(select(BlockRow).where(BlockRow.ends_at.is_(None))))

    async def list_due(self, now: datetime) -> list[BlockRow]:
        """Ended blocks that new rows or time alone may have changed, in ledger order."""
        query = (
            select(BlockRow)
            .where(BlockRow.ends_at <= now, or_(BlockRow.stale, BlockRow.due_at <= now))
            .order_by(BlockRow.use_case, BlockRow.block, BlockRow.release_sequence)
        )
        return list(await self._session.scalars(query))

    async def get(self, use_case: str, block: str, release_sequence: int) -> BlockRow | None:
        """One block of one release."""
        return await self._session.get(BlockRow, (use_case, block, release_sequence))

    async def list_last(self) -> Mapping[str, str]:
        """The newest reported block of each use case."""
        query = select(BlockRow.use_case, func.max(BlockRow.block)).where(BlockRow.revision > 0)
        rows = await self._session.execute(query.group_by(BlockRow.use_case))
        return {str(use_case): str(block) for use_case, block in rows}

    async def list_of_release(self, use_case: str, release_sequence: int) -> list[BlockRow]:
        """Blocks of one release in block order, judged or not."""
        query = select(BlockRow).where(BlockRow.use_case == use_case, BlockRow.release_sequence == release_sequence)
        return list(await self._session.scalars(query.order_by(BlockRow.block)))

    async def list_reported(self, use_case: str, first: str, last: str) -> list[BlockRow]:
        """Reported blocks from `first` to `last`, both included, in ledger order."""
        query = (
            select(BlockRow)
            .where(BlockRow.use_case == use_case, BlockRow.block.between(first, last), BlockRow.report.is_not(None))
            .order_by(BlockRow.block, BlockRow.release_sequence)
        )
        return list(await self._session.scalars(query))

    async def list_judged(self, use_case: str) -> list[BlockRow]:
        """Judged blocks in block order: what evidence is made of."""
        query = (
            select(BlockRow)
            .where(BlockRow.use_case == use_case, BlockRow.judged.is_not(None))
            .order_by(BlockRow.block, BlockRow.release_sequence)
        )
        return list(await self._session.scalars(query))


class Contracts:
    """The contracts in memory: data events are checked against them record by record."""

    def __init__(self) -> None:
        self._by_digest: dict[str, Contract] = {}
        self._newest: dict[str, Contract] = {}
        self._loaded = False

    async def load(self, db: Database) -> None:
        """Read all contracts from the database, once."""
        if self._loaded:
            return
        async with db.read() as session:
            rows = await ContractStore(session).list_all()
        for row in rows:
            self.put(row.digest, row.document)
        self._loaded = True

    def put(self, digest: str, document: dict[str, Any]) -> None:
        """The newest contract of a use case."""
        contract = Contract.model_validate(document)
        self._by_digest[digest] = self._newest[contract.use_case] = contract

    def get(self, digest: str | None) -> Contract | None:
        """The contract that a release names."""
        return self._by_digest.get(digest or "")

    def newest(self, use_case: str) -> Contract | None:
        """The contract in force."""
        return self._newest.get(use_case)

    def lookback(self) -> dict[str, timedelta]:
        """Per use case, how long its labels may take."""
        return {name: contract.label.give_up_after.delta for name, contract in self._newest.items()}


def _key(touched: Touched) -> tuple[str, str, int]:
    return touched.use_case, touched.block, touched.release_sequence
