"""The SQL of measured KPIs: values, the numbers that entered evidence, rollbacks asked for."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta

from sqlalchemy import ColumnElement, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from services.monitor.measured import KEPT, MeasuredBlock, Value
from services.monitor.measured_tables import MeasuredAskRow, MeasuredBlockRow, MeasurementRow
from services.monitor.tables import BlockRow, ReleaseRow
from shared.contract.kpis import Kpi
from shared.events import MeasurementRecorded, RollbackRequested
from shared.spine.db import insert_or

# A block may have begun two days before its last value is forgotten.
_MARGIN = timedelta(days=2)
_EARLIEST = datetime(1, 1, 2, tzinfo=UTC)


class MeasurementStore:
    """Values by block."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, event: MeasurementRecorded, block: str) -> bool:
        """Keep a value; False where its event was here before."""
        row = event.model_dump(include={"use_case", "name", "unit", "value"})
        row |= {"event_id": event.id, "block": block, "measured_at": event.time}
        statement = insert_or(self._session, MeasurementRow).values(**row).on_conflict_do_nothing()
        done = await self._session.execute(statement.returning(MeasurementRow.event_id))
        return done.first() is not None

    async def touch(self, use_case: str, block: str, but: int | None = None) -> None:
        """The reports of a block may change, but for that of one release."""
        mine = (BlockRow.use_case == use_case, BlockRow.block == block, BlockRow.release_sequence != (but or 0))
        await self._session.execute(update(BlockRow).where(*mine).values(stale=True))

    async def list_of_blocks(self, use_case: str, blocks: Collection[str]) -> Mapping[str, list[Value]]:
        """Block -> its values in order of time."""
        query = (
            select(MeasurementRow)
            .where(MeasurementRow.use_case == use_case, MeasurementRow.block.in_(blocks))
            .order_by(MeasurementRow.measured_at, MeasurementRow.event_id)
        )
        found: defaultdict[str, list[Value]] = defaultdict(list)
        for row in await self._session.scalars(query):
            found[row.block].append(Value(row.name, row.unit, row.value, row.measured_at))
        return found

    async def list_decided(self, use_case: str, blocks: Collection[str]) -> Mapping[str, list[tuple[int, datetime]]]:
        """Block -> the releases that decided in it, in order, each with the time of its release."""
        query = (
            select(BlockRow.block, BlockRow.release_sequence, ReleaseRow.released_at)
            .outerjoin(
                ReleaseRow,
                (ReleaseRow.use_case == BlockRow.use_case) & (ReleaseRow.sequence == BlockRow.release_sequence),
            )
            .where(BlockRow.use_case == use_case, BlockRow.block.in_(blocks))
            .order_by(BlockRow.block, BlockRow.release_sequence)
        )
        found: defaultdict[str, list[tuple[int, datetime]]] = defaultdict(list)
        for block, sequence, released_at in await self._session.execute(query):
            # A release whose event is still to come has served already: it counts from the start.
            found[block].append((sequence, released_at or _EARLIEST))
        return found

    async def forget(self, now: datetime) -> None:
        """Drop the values of blocks that can no longer change."""
        old = MeasurementRow.measured_at < now - KEPT - _MARGIN
        if await self._session.scalar(select(MeasurementRow.event_id).where(old).limit(1)) is not None:
            await self._session.execute(delete(MeasurementRow).where(old))


class EvidenceStore:
    """What measured blocks say about releases, and the rollbacks that were asked for because of it."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def list_settled(self, use_case: str, sequence: int, kpi: str) -> set[str]:
        """The blocks of a release that are evidence already, with a number or without."""
        query = select(MeasuredBlockRow.block).where(*_of(use_case, sequence, kpi))
        return set(await self._session.scalars(query))

    def settle(self, row: MeasuredBlockRow) -> None:
        """A block enters evidence, for ever."""
        self._session.add(row)

    async def list_blocks(self, use_case: str, sequence: int, name: str, kpi: Kpi) -> list[MeasuredBlock]:
        """The numbers of a release in block order, as far as they are of the same kind as the KPI's now."""
        query = select(MeasuredBlockRow.block, MeasuredBlockRow.value).where(
            *_of(use_case, sequence, name),
            MeasuredBlockRow.unit == kpi.unit,
            MeasuredBlockRow.aggregation == kpi.aggregation,
            MeasuredBlockRow.value.is_not(None),
        )
        rows = await self._session.execute(query.order_by(MeasuredBlockRow.block))
        return [MeasuredBlock(block, value) for block, value in rows if value is not None]

    async def get_last_asked(self, use_case: str, sequence: int, kpi: str) -> datetime | None:
        """When a release was last asked back because of this KPI."""
        asked = select(func.max(MeasuredAskRow.asked_at)).filter_by(use_case=use_case, release_sequence=sequence)
        return await self._session.scalar(asked.where(MeasuredAskRow.kpi == kpi))

    async def add_ask(self, event: RollbackRequested) -> None:
        """Remember a request."""
        fields = event.model_dump(include={"use_case", "release_sequence", "kpi"})
        self._session.add(MeasuredAskRow(**fields, asked_at=event.time, event_id=event.id))


def _of(use_case: str, sequence: int, kpi: str) -> tuple[ColumnElement[bool], ...]:
    return (
        MeasuredBlockRow.use_case == use_case,
        MeasuredBlockRow.release_sequence == sequence,
        MeasuredBlockRow.kpi == kpi,
    )
