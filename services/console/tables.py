"""The console's rows: the events it keeps, the reports it published, the notices on their way."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, CheckConstraint, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from shared.spine.db import Base, Instant


class EventRow(Base):
    """A lifecycle event of a use case, whole: every page is made from these and the feedback tables."""

    __tablename__ = "console_events"
    __table_args__ = (Index("console_events_of", "use_case", "topic", "at"),)

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    id: Mapped[str] = mapped_column(String(256))
    topic: Mapped[str] = mapped_column(String(128))
    use_case: Mapped[str] = mapped_column(String(64))
    at: Mapped[datetime] = mapped_column(Instant)
    document: Mapped[dict[str, Any]] = mapped_column(JSON)


class ReportRow(Base):
    """A report that went out, as it went out: one for each use case and period."""

    __tablename__ = "console_reports"

    use_case: Mapped[str] = mapped_column(String(64), primary_key=True)
    first_block: Mapped[str] = mapped_column(String(32), primary_key=True)
    last_block: Mapped[str] = mapped_column(String(32), primary_key=True)
    published_at: Mapped[datetime] = mapped_column(Instant)
    html: Mapped[str] = mapped_column(Text)


class NoticeRow(Base):
    """One message to one target. `incident` names what it is about: the same incident is told once.

    `target` is a hash of the target's URL, so that no secret lies here.
    """

    __tablename__ = "console_notices"
    __table_args__ = (
        CheckConstraint("state IN ('waiting', 'sent', 'given_up')", name="console_notices_state"),
        Index("console_notices_waiting", "state", "at"),
    )

    incident: Mapped[str] = mapped_column(String(300), primary_key=True)
    target: Mapped[str] = mapped_column(String(16), primary_key=True)
    use_case: Mapped[str] = mapped_column(String(64))
    at: Mapped[datetime] = mapped_column(Instant)
    urgent: Mapped[bool]
    title: Mapped[str] = mapped_column(Text)
    body: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(String(16), default="waiting")
    attempts: Mapped[int] = mapped_column(default=0)


class IncidentRow(Base):
    """An incident that has been seen, from its first block to its last: while it goes on it is not told again."""

    __tablename__ = "console_incidents"

    use_case: Mapped[str] = mapped_column(String(64), primary_key=True)
    kind: Mapped[str] = mapped_column(String(200), primary_key=True)
    since: Mapped[str] = mapped_column(String(64))
    last: Mapped[str] = mapped_column(String(64))
    open: Mapped[bool]
