"""The SQL of drift: epochs, the blocks in their evidence, and the judged blocks that wait to enter it."""

from itertools import groupby

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from services.monitor.tables import BlockRow, DriftBlockRow, DriftEpochRow


class DriftStore:
    """Epochs are numbered per use case; blocks enter in block order and never change."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def get_epoch(self, use_case: str, package_digest: str) -> DriftEpochRow:
        """The epoch that the next block of this package belongs to; not stored while it is new."""
        query = select(DriftEpochRow).where(DriftEpochRow.use_case == use_case)
        last = await self._session.scalar(query.order_by(DriftEpochRow.epoch.desc()).limit(1))
        if last and last.package_digest == package_digest and last.alarm_block is None:
            return last
        return DriftEpochRow(use_case=use_case, epoch=last.epoch + 1 if last else 1, package_digest=package_digest)

    async def list_blocks(self, use_case: str, epoch: int) -> list[DriftBlockRow]:
        """The evidence of an epoch in block order."""
        query = select(DriftBlockRow).where(DriftBlockRow.use_case == use_case, DriftBlockRow.epoch == epoch)
        return list(await self._session.scalars(query.order_by(DriftBlockRow.block)))

    async def list_waiting(self, use_case: str) -> list[list[BlockRow]]:
        """The next blocks in order, each with the rows of its releases, up to the first that is not judged."""
        last = await self._session.scalar(select(func.max(DriftBlockRow.block)).filter_by(use_case=use_case))
        query = select(BlockRow).where(BlockRow.use_case == use_case, BlockRow.block > (last or ""))
        rows = await self._session.scalars(query.order_by(BlockRow.block, BlockRow.release_sequence))
        waiting = []
        for _, of_block in groupby(rows, key=lambda row: row.block):
            block = list(of_block)
            if any(row.judged is None for row in block):
                break
            waiting.append(block)
        return waiting

    async def list_last(self) -> dict[str, DriftBlockRow]:
        """The newest block in evidence of each use case."""
        newest = select(DriftBlockRow.use_case, func.max(DriftBlockRow.block)).group_by(DriftBlockRow.use_case)
        found = {}
        for use_case, block in await self._session.execute(newest):
            found[use_case] = await self._session.get_one(DriftBlockRow, (use_case, block))
        return found

    async def add(self, epoch: DriftEpochRow, block: DriftBlockRow) -> None:
        """Let a block enter the evidence of its epoch."""
        await self._session.merge(epoch)
        self._session.add(block)
