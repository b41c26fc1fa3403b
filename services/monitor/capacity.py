"""Keeps what teams say about their capacity, and gives it to the reports of the blocks that it speaks of."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from datetime import datetime

from sqlalchemy import String, Text, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from shared.events import CapacityChanged, CapacityWord
from shared.spine.db import Base, Instant


class CapacityRow(Base):
    """A team's word on one block, as `capacity_changed` told it."""

    __tablename__ = "monitor_capacity_changes"

    use_case: Mapped[str] = mapped_column(String(64), primary_key=True)
    sequence: Mapped[int] = mapped_column(primary_key=True)
    block: Mapped[str] = mapped_column(String(64), index=True)
    changed_at: Mapped[datetime] = mapped_column(Instant)
    word: Mapped[str] = mapped_column(Text)


class CapacityStore:
    """Words by block."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, event: CapacityChanged) -> None:
        """Keep a word."""
        fields = event.model_dump(include=set(CapacityWord.model_fields))
        word = CapacityWord(at=event.time, **fields).model_dump_json()
        place = {"use_case": event.use_case, "sequence": event.sequence, "block": event.block}
        self._session.add(CapacityRow(**place, changed_at=event.time, word=word))

    async def list_of_blocks(self, use_case: str, blocks: Collection[str]) -> Mapping[str, list[CapacityWord]]:
        """Block -> what was said of it, oldest first."""
        query = select(CapacityRow).where(CapacityRow.use_case == use_case, CapacityRow.block.in_(blocks))
        found: defaultdict[str, list[CapacityWord]] = defaultdict(list)
        for row in await self._session.scalars(query.order_by(CapacityRow.sequence)):
            found[row.block].append(CapacityWord.model_validate_json(row.word))
        return found
