"""The trainer's rows.

Names begin with `trainer_`, so that a dump says whose they are; inbox and outbox do not, hence one database each.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, CheckConstraint, Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from shared.spine.db import Base, Instant

OPEN = ("queued", "running")
STATES = (*OPEN, "trained", "declined", "failed", "cancelled")


class UseCaseRow(Base):
    """The contract in force for a use case."""

    __tablename__ = "trainer_use_cases"
    __table_args__ = (CheckConstraint("revision >= 1", name="revision_counts_from_one"),)

    use_case: Mapped[str] = mapped_column(String(64), primary_key=True)
    revision: Mapped[int]
    contract_digest: Mapped[str] = mapped_column(String(64))
    contract: Mapped[dict[str, Any]] = mapped_column(JSON)


_IS_OPEN = text("state IN ('queued', 'running')")


class RunRow(Base):
    """One training request and what became of it.

    `as_of` is fixed when the request is handled: a run that is done again sees the same rows. `heartbeat` is a
    counter, not a time: whoever looks judges by its own monotonic clock whether it still moves.
    """

    __tablename__ = "trainer_runs"
    __table_args__ = (
        CheckConstraint(f"state IN ({', '.join(repr(state) for state in STATES)})", name="state_is_known"),
        CheckConstraint("(state = 'trained') = (package_digest IS NOT NULL)", name="trained_means_a_package"),
        CheckConstraint("(state = 'running') <= (owner IS NOT NULL)", name="running_means_an_owner"),
        Index("one_open_run", "use_case", unique=True, sqlite_where=_IS_OPEN, postgresql_where=_IS_OPEN),
    )

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    use_case: Mapped[str] = mapped_column(String(64), index=True)
    cause: Mapped[dict[str, Any]] = mapped_column(JSON)
    as_of: Mapped[datetime] = mapped_column(Instant)
    seed: Mapped[int]
    contract_digest: Mapped[str | None] = mapped_column(String(64))
    contract: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    state: Mapped[str] = mapped_column(String(16))
    reason: Mapped[str] = mapped_column(Text)
    owner: Mapped[str | None] = mapped_column(String(128))
    heartbeat: Mapped[int] = mapped_column(default=0)
    attempt: Mapped[int] = mapped_column(default=0)
    table_version: Mapped[list[int | None] | None] = mapped_column(JSON(none_as_null=True))
    package_digest: Mapped[str | None] = mapped_column(String(64))
    lineage: Mapped[dict[str, str] | None] = mapped_column(JSON(none_as_null=True))
    log: Mapped[str | None] = mapped_column(Text)
    wall_seconds: Mapped[float | None]


class RequestRow(Base):
    """A request that waits for the next clock step: `at` is its event time, never ahead of this trainer's clock."""

    __tablename__ = "trainer_requests"
    __table_args__ = (Index("trainer_requests_waiting", "decided", "at"),)

    id: Mapped[str] = mapped_column(String(256), primary_key=True)
    use_case: Mapped[str] = mapped_column(String(64))
    kind: Mapped[str] = mapped_column(String(16))
    at: Mapped[datetime] = mapped_column(Instant)
    event: Mapped[dict[str, Any]] = mapped_column(JSON)
    decided: Mapped[bool] = mapped_column(default=False)


class ContractRow(Base):
    """Every contract that was applied: a block is evaluated under the one that was in force on it."""

    __tablename__ = "trainer_contracts"

    use_case: Mapped[str] = mapped_column(String(64), primary_key=True)
    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    contract: Mapped[dict[str, Any]] = mapped_column(JSON)


ENDS = ("open", "released", "rejected", "expired", "superseded")


class PackageRow(Base):
    """A package that was trained, here or elsewhere, and what became of it.

    `event` is its `model_trained`, absent while only its release or rejection was heard.
    """

    __tablename__ = "trainer_packages"
    __table_args__ = (
        CheckConstraint(f"status IN ({', '.join(repr(end) for end in ENDS)})", name="trainer_packages_status"),
        CheckConstraint("(status = 'open') = (closed_at IS NULL)", name="trainer_packages_closed"),
    )

    use_case: Mapped[str] = mapped_column(String(64), primary_key=True)
    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    train_until: Mapped[datetime | None] = mapped_column(Instant)
    trained_at: Mapped[datetime | None] = mapped_column(Instant)
    event: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    status: Mapped[str] = mapped_column(String(16))
    closed_at: Mapped[datetime | None] = mapped_column(Instant, default=None)


class ReleaseRow(Base):
    """What the registry released, and the package that it would go back to."""

    __tablename__ = "trainer_releases"

    use_case: Mapped[str] = mapped_column(String(64), primary_key=True)
    sequence: Mapped[int] = mapped_column(primary_key=True)
    package_digest: Mapped[str] = mapped_column(String(64))
    rollback_target: Mapped[str | None] = mapped_column(String(64))
    released_at: Mapped[datetime] = mapped_column(Instant)


class BlockRow(Base):
    """The first mature report of a block of one release; corrections change nothing."""

    __tablename__ = "trainer_blocks"

    use_case: Mapped[str] = mapped_column(String(64), primary_key=True)
    block: Mapped[str] = mapped_column(String(64), primary_key=True)
    release_sequence: Mapped[int] = mapped_column(primary_key=True)
    contract_digest: Mapped[str] = mapped_column(String(64))
    judged_at: Mapped[datetime] = mapped_column(Instant)
    event: Mapped[dict[str, Any]] = mapped_column(JSON)


class EvaluationRow(Base):
    """A package that was evaluated on a block in a role: once, whatever comes later. Without labels: no event."""

    __tablename__ = "trainer_evaluations"

    use_case: Mapped[str] = mapped_column(String(64), primary_key=True)
    package_digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    block: Mapped[str] = mapped_column(String(64), primary_key=True)
    role: Mapped[str] = mapped_column(String(16), primary_key=True)
    event_id: Mapped[str | None] = mapped_column(String(64))
