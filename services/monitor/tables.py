"""The monitor's rows: contracts, releases, blocks with their last report, and how far it has looked.

Names begin with `monitor_`, so that a dump says whose they are; inbox and outbox do not, hence one database each.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, CheckConstraint, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from shared.spine.db import Base, Instant


class ContractRow(Base):
    """A contract that was applied; blocks are judged under the one that their release names."""

    __tablename__ = "monitor_contracts"

    use_case: Mapped[str] = mapped_column(String(64), primary_key=True)
    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    revision: Mapped[int]
    document: Mapped[dict[str, Any]] = mapped_column(JSON)


class ReleaseRow(Base):
    """What the registry released: which package a use case serves, and the one it would go back to."""

    __tablename__ = "monitor_releases"

    use_case: Mapped[str] = mapped_column(String(64), primary_key=True)
    sequence: Mapped[int] = mapped_column(primary_key=True)
    package_digest: Mapped[str] = mapped_column(String(64))
    rollback_target: Mapped[str | None] = mapped_column(String(64))
    released_at: Mapped[datetime] = mapped_column(Instant)


class BlockRow(Base):
    """One block of one release: what changed since its last report, the report, and what was judged."""

    __tablename__ = "monitor_blocks"
    __table_args__ = (
        CheckConstraint("(revision = 0) = (report IS NULL)", name="monitor_blocks_report"),
        CheckConstraint("(judged IS NULL) = (judged_at IS NULL)", name="monitor_blocks_judged"),
    )

    use_case: Mapped[str] = mapped_column(String(64), primary_key=True)
    block: Mapped[str] = mapped_column(String(64), primary_key=True)
    release_sequence: Mapped[int] = mapped_column(primary_key=True)
    package_digest: Mapped[str] = mapped_column(String(64))
    behaviour_digest: Mapped[str] = mapped_column(String(64))
    contract_digest: Mapped[str] = mapped_column(String(64))
    # Rows or labels came that no report has counted yet.
    stale: Mapped[bool] = mapped_column(default=True)
    # Nothing is reported before `ends_at`; `due_at` is the next moment at which time alone changes the report.
    ends_at: Mapped[datetime | None] = mapped_column(Instant, default=None)
    due_at: Mapped[datetime | None] = mapped_column(Instant, default=None)
    revision: Mapped[int] = mapped_column(default=0)
    event_id: Mapped[str | None] = mapped_column(String(64), default=None)
    report: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True), default=None)
    # Stored once: later labels change the report, never what entered evidence.
    judged: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True), default=None)
    judged_at: Mapped[datetime | None] = mapped_column(Instant, default=None)


class EvaluationRow(Base):
    """What a package that is not served would have cost in a block: the first word on it counts, later ones do not."""

    __tablename__ = "monitor_evaluations"

    use_case: Mapped[str] = mapped_column(String(64), primary_key=True)
    package_digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    block: Mapped[str] = mapped_column(String(64), primary_key=True)
    role: Mapped[str] = mapped_column(String(32), primary_key=True)
    told_at: Mapped[datetime] = mapped_column(Instant)
    event: Mapped[str] = mapped_column(Text)


class RollbackAskRow(Base):
    """A rollback that was asked for: once per release, last block of the evidence, and cooldown."""

    __tablename__ = "monitor_rollback_asks"

    use_case: Mapped[str] = mapped_column(String(64), primary_key=True)
    release_sequence: Mapped[int] = mapped_column(primary_key=True)
    last_block: Mapped[str] = mapped_column(String(64), primary_key=True)
    asked_at: Mapped[datetime] = mapped_column(Instant)
    event_id: Mapped[str] = mapped_column(String(64))


class ActivationRow(Base):
    """A serving worker's word on a release; one that refused and serves it later has said both."""

    __tablename__ = "monitor_activations"

    use_case: Mapped[str] = mapped_column(String(64), primary_key=True)
    sequence: Mapped[int] = mapped_column(primary_key=True)
    replica: Mapped[int] = mapped_column(primary_key=True)
    worker: Mapped[str] = mapped_column(String(256), primary_key=True)
    status: Mapped[str] = mapped_column(String(32), primary_key=True)
    reported_at: Mapped[datetime] = mapped_column(Instant)
    event: Mapped[str] = mapped_column(Text)


class FailureRow(Base):
    """A request that failed at least once under a release; what answered it later stands in the table of decisions."""

    __tablename__ = "monitor_failures"
    __table_args__ = (Index("monitor_failures_time", "use_case", "release_sequence", "failed_at"),)

    use_case: Mapped[str] = mapped_column(String(64), primary_key=True)
    release_sequence: Mapped[int] = mapped_column(primary_key=True)
    request_id: Mapped[str] = mapped_column(String(128), primary_key=True)
    failed_at: Mapped[datetime] = mapped_column(Instant, index=True)
    # Where its event lies: it counts once the tables have gone past it, together with what was answered beside it.
    kafka_partition: Mapped[int]
    kafka_offset: Mapped[int]


class TechnicalAskRow(Base):
    """A rollback that was asked for on technical evidence: once per release, KPI and cooldown."""

    __tablename__ = "monitor_technical_asks"

    use_case: Mapped[str] = mapped_column(String(64), primary_key=True)
    release_sequence: Mapped[int] = mapped_column(primary_key=True)
    kpi: Mapped[str] = mapped_column(String(32), primary_key=True)
    asked_at: Mapped[datetime] = mapped_column(Instant, primary_key=True)
    event_id: Mapped[str] = mapped_column(String(64))


class DriftEpochRow(Base):
    """A stretch of one package's service in which drift may be detected once: until its alarm, or another package."""

    __tablename__ = "monitor_drift_epochs"
    __table_args__ = (CheckConstraint("(alarm_block IS NULL) = (event_id IS NULL)", name="monitor_drift_epochs_alarm"),)

    use_case: Mapped[str] = mapped_column(String(64), primary_key=True)
    epoch: Mapped[int] = mapped_column(primary_key=True)
    package_digest: Mapped[str] = mapped_column(String(64))
    alarm_block: Mapped[str | None] = mapped_column(String(64), default=None)
    event_id: Mapped[str | None] = mapped_column(String(64), default=None)


class DriftBlockRow(Base):
    """A judged block as it entered the evidence of its epoch, and what the evidence was then."""

    __tablename__ = "monitor_drift_blocks"

    use_case: Mapped[str] = mapped_column(String(64), primary_key=True)
    block: Mapped[str] = mapped_column(String(64), primary_key=True)
    epoch: Mapped[int]
    statistics: Mapped[dict[str, Any]] = mapped_column(JSON)
    e_value: Mapped[float]
    threshold: Mapped[float]
    # Why the block could not be judged.
    reason: Mapped[str | None] = mapped_column(Text, default=None)


class ProgressRow(Base):
    """Up to which record of a data topic, and which table version, blocks were marked."""

    __tablename__ = "monitor_progress"

    topic: Mapped[str] = mapped_column(String(128), primary_key=True)
    partition: Mapped[int] = mapped_column(primary_key=True)
    following: Mapped[int]


class LookRow(Base):
    """The last look at the tables: its versions and its event time."""

    __tablename__ = "monitor_looks"

    id: Mapped[int] = mapped_column(primary_key=True)
    decisions_version: Mapped[int | None]
    outcomes_version: Mapped[int | None]
    marked_at: Mapped[datetime] = mapped_column(Instant)
    closed_at: Mapped[datetime | None] = mapped_column(Instant, default=None)


class LeaseRow(Base):
    """What one member does for all. `heartbeat` is a counter, not a time: whoever looks judges by its own clock."""

    __tablename__ = "monitor_leases"

    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    owner: Mapped[str] = mapped_column(String(128))
    # Grows with each taking: what an earlier holder still tries to write is refused.
    term: Mapped[int]
    heartbeat: Mapped[int] = mapped_column(default=0)
