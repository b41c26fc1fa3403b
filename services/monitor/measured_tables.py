"""The monitor's rows about measured KPIs: the values, what entered evidence, and the rollbacks asked for."""

from datetime import datetime

from sqlalchemy import CheckConstraint, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from shared.spine.db import Base, Instant


class MeasurementRow(Base):
    """One value that somebody measured; its event id is the key, so it counts once however often it is told."""

    __tablename__ = "monitor_measurements"
    __table_args__ = (Index("monitor_measurements_block", "use_case", "block"),)

    event_id: Mapped[str] = mapped_column(String(256), primary_key=True)
    use_case: Mapped[str] = mapped_column(String(64))
    block: Mapped[str] = mapped_column(String(64))
    name: Mapped[str] = mapped_column(String(64))
    unit: Mapped[str] = mapped_column(String(32))
    value: Mapped[float]
    measured_at: Mapped[datetime] = mapped_column(Instant, index=True)


class MeasuredBlockRow(Base):
    """A block's number as it entered the evidence about a release: stored once, whatever is measured later."""

    __tablename__ = "monitor_measured_blocks"
    __table_args__ = (CheckConstraint("(count = 0) = (value IS NULL)", name="monitor_measured_blocks_value"),)

    use_case: Mapped[str] = mapped_column(String(64), primary_key=True)
    kpi: Mapped[str] = mapped_column(String(64), primary_key=True)
    block: Mapped[str] = mapped_column(String(64), primary_key=True)
    release_sequence: Mapped[int] = mapped_column(primary_key=True)
    # Another unit or aggregation is another number: such blocks are no evidence about the KPI of today.
    unit: Mapped[str] = mapped_column(String(32))
    aggregation: Mapped[str] = mapped_column(String(32))
    value: Mapped[float | None]
    count: Mapped[int]
    settled_at: Mapped[datetime] = mapped_column(Instant)


class MeasuredAskRow(Base):
    """A rollback that was asked for because of a measured KPI: once per release, KPI and cooldown."""

    __tablename__ = "monitor_measured_asks"

    use_case: Mapped[str] = mapped_column(String(64), primary_key=True)
    release_sequence: Mapped[int] = mapped_column(primary_key=True)
    kpi: Mapped[str] = mapped_column(String(64), primary_key=True)
    asked_at: Mapped[datetime] = mapped_column(Instant, primary_key=True)
    event_id: Mapped[str] = mapped_column(String(64))
