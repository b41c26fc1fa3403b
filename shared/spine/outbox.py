"""The outbox: events commit with the state that they tell of; the relay publishes them."""

import json
from datetime import datetime

from sqlalchemy import LargeBinary, String, Text, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from shared.events import Event, Record, to_record
from shared.spine.clock import wall_now
from shared.spine.db import Base


class OutboxRow(Base):
    """An event on its way to Kafka."""

    __tablename__ = "outbox"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    topic: Mapped[str] = mapped_column(String(128))
    key: Mapped[bytes] = mapped_column(LargeBinary)
    value: Mapped[bytes] = mapped_column(LargeBinary)
    headers: Mapped[str] = mapped_column(Text)
    written_at: Mapped[datetime]

    def record(self) -> Record:
        """What goes to Kafka."""
        headers = tuple((name, value.encode()) for name, value in json.loads(self.headers))
        return Record(self.topic, self.key, self.value, headers)


def add_to_outbox(session: AsyncSession, *events: Event) -> None:
    """Publish these events if, and only if, this transaction commits; in this order."""
    for event in events:
        record = to_record(event)
        headers = json.dumps([(name, value.decode()) for name, value in record.headers])
        session.add(
            OutboxRow(topic=record.topic, key=record.key, value=record.value, headers=headers, written_at=wall_now())
        )


async def waiting(session: AsyncSession) -> int:
    """How many events are not yet on Kafka."""
    return await session.scalar(select(func.count()).select_from(OutboxRow)) or 0
