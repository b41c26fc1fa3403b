"""The inbox: one effect per event id, however often the event comes."""

from sqlalchemy import String, insert, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from shared.events import Event
from shared.spine.db import Base


class InboxRow(Base):
    """An event that has had its effect."""

    __tablename__ = "inbox"

    event_id: Mapped[str] = mapped_column(String(256), primary_key=True)
    topic: Mapped[str] = mapped_column(String(128), primary_key=True)


async def first_time(session: AsyncSession, event: Event) -> bool:
    """True once per event: the row commits with the effect."""
    known = await session.scalar(
        select(InboxRow.event_id).where(InboxRow.event_id == event.id, InboxRow.topic == event.topic)
    )
    if known is not None:
        return False
    await session.execute(insert(InboxRow).values(event_id=event.id, topic=event.topic))
    return True
