"""The registry's rows; what must never be is refused by the table itself.

Names begin with `registry_`, so that a dump says whose they are; inbox and outbox do not, hence one database each.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from sqlalchemy import (
    DDL,
    JSON,
    CheckConstraint,
    ForeignKey,
    Index,
    String,
    Text,
    UniqueConstraint,
    event,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from shared.spine.db import Base, Instant

CAUSES = ("first", "promotion", "person", "rollback", "objective")
PACKAGE_STATES = ("uploaded", "available", "rejected")


def _digest(column: str) -> CheckConstraint:
    return CheckConstraint(f"length({column}) = 64", name=f"{column}_is_a_digest")


def _one_of(column: str, words: tuple[str, ...]) -> CheckConstraint:
    return CheckConstraint(f"{column} IN ({', '.join(repr(word) for word in words)})", name=f"{column}_is_known")


class ContractRow(Base):
    """Every contract that was ever applied, by digest."""

    __tablename__ = "registry_contracts"
    __table_args__ = (_digest("digest"),)

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    use_case: Mapped[str] = mapped_column(String(64), index=True)
    body: Mapped[dict[str, Any]] = mapped_column(JSON)


class UseCaseRow(Base):
    """A use case and the contract in force."""

    __tablename__ = "registry_use_cases"
    __table_args__ = (CheckConstraint("revision >= 1", name="revision_counts_from_one"),)

    use_case: Mapped[str] = mapped_column(String(64), primary_key=True)
    revision: Mapped[int]
    contract_digest: Mapped[str] = mapped_column(ForeignKey("registry_contracts.digest"))
    signed_by: Mapped[str] = mapped_column(String(256))
    applied_by: Mapped[str] = mapped_column(String(256))
    applied_at: Mapped[datetime] = mapped_column(Instant)


class PackageRow(Base):
    """A package that this registry has verified itself; what fails never gets a row."""

    __tablename__ = "registry_packages"
    __table_args__ = (
        _digest("digest"),
        _digest("behaviour_digest"),
        _digest("contract_digest"),
        _one_of("status", PACKAGE_STATES),
        CheckConstraint("verified", name="only_verified_packages"),
    )

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    use_case: Mapped[str] = mapped_column(String(64), index=True)
    behaviour_digest: Mapped[str] = mapped_column(String(64))
    contract_digest: Mapped[str] = mapped_column(String(64))
    train_until: Mapped[datetime] = mapped_column(Instant)
    verified: Mapped[bool]
    evaluation: Mapped[dict[str, float]] = mapped_column(JSON)
    status: Mapped[str] = mapped_column(String(16))
    known_since: Mapped[datetime] = mapped_column(Instant)


class RejectionRow(Base):
    """A package that was turned down: by which gate, with which number; kept beside the ledger for display."""

    __tablename__ = "registry_rejections"
    __table_args__ = (_digest("package_digest"),)

    event_id: Mapped[str] = mapped_column(String(256), primary_key=True)
    use_case: Mapped[str] = mapped_column(String(64), index=True)
    package_digest: Mapped[str] = mapped_column(String(64), index=True)
    gate: Mapped[str] = mapped_column(String(256))
    measured: Mapped[float | None]
    bound: Mapped[float | None]
    explanation: Mapped[str] = mapped_column(Text)
    rejected_at: Mapped[datetime] = mapped_column(Instant)


class ReleaseRow(Base):
    """A release: a verified package under a contract; one per use case and sequence, never changed."""

    __tablename__ = "registry_releases"
    __table_args__ = (
        CheckConstraint("sequence >= 1", name="sequence_counts_from_one"),
        CheckConstraint("rollback_target IS NULL OR rollback_target <> package_digest", name="target_is_another"),
        CheckConstraint("cause = 'person' OR NOT forced", name="only_a_person_forces"),
        CheckConstraint("(cause = 'first') = (sequence = 1) OR cause = 'person'", name="first_is_the_first"),
        _one_of("cause", CAUSES),
    )

    use_case: Mapped[str] = mapped_column(ForeignKey("registry_use_cases.use_case"), primary_key=True)
    sequence: Mapped[int] = mapped_column(primary_key=True)
    package_digest: Mapped[str] = mapped_column(ForeignKey("registry_packages.digest"))
    behaviour_digest: Mapped[str] = mapped_column(String(64))
    contract_digest: Mapped[str] = mapped_column(ForeignKey("registry_contracts.digest"))
    policy: Mapped[dict[str, Any]] = mapped_column(JSON)
    cause: Mapped[str] = mapped_column(String(16))
    reason: Mapped[str] = mapped_column(Text)
    released_by: Mapped[str] = mapped_column(String(256))
    released_at: Mapped[datetime] = mapped_column(Instant)
    rollback_target: Mapped[str | None] = mapped_column(ForeignKey("registry_packages.digest"))
    forced: Mapped[bool]
    event_id: Mapped[str] = mapped_column(String(256), unique=True)


class RollbackRequestRow(Base):
    """A service's request to roll back, waiting for the next clock step; decided ones keep their answer."""

    __tablename__ = "registry_rollback_requests"
    __table_args__ = (
        _one_of("status", ("open", "granted", "refused")),
        CheckConstraint("(status = 'open') = (answer IS NULL)", name="decided_ones_have_an_answer"),
    )

    event_id: Mapped[str] = mapped_column(String(256), primary_key=True)
    use_case: Mapped[str] = mapped_column(String(64), index=True)
    requested_at: Mapped[datetime] = mapped_column(Instant)
    event: Mapped[str] = mapped_column(Text)
    status: Mapped[str] = mapped_column(String(16), index=True)
    answer: Mapped[str | None] = mapped_column(Text)


class CandidateRow(Base):
    """A package that passed its gates and waits for evidence; `event` is the training that brought it."""

    __tablename__ = "registry_candidates"
    __table_args__ = (
        _one_of("status", ("open", "released", "rejected")),
        Index(
            "registry_one_open_candidate",
            "use_case",
            unique=True,
            sqlite_where=text("status = 'open'"),
            postgresql_where=text("status = 'open'"),
        ),
    )

    event_id: Mapped[str] = mapped_column(String(256), primary_key=True)
    use_case: Mapped[str] = mapped_column(ForeignKey("registry_use_cases.use_case"))
    package_digest: Mapped[str] = mapped_column(ForeignKey("registry_packages.digest"))
    behaviour_digest: Mapped[str] = mapped_column(String(64))
    train_until: Mapped[datetime] = mapped_column(Instant)
    opened_at: Mapped[datetime] = mapped_column(Instant)
    event: Mapped[str] = mapped_column(Text)
    status: Mapped[str] = mapped_column(String(16), index=True)


class CapacityRow(Base):
    """A team's word on how many cases it takes in one block; never changed, the newest of a block counts."""

    __tablename__ = "registry_capacity_changes"
    __table_args__ = (
        CheckConstraint("sequence >= 1", name="sequence_counts_from_one"),
        CheckConstraint("cases >= 0 AND cases <= contract_limit", name="within_the_contract"),
    )

    use_case: Mapped[str] = mapped_column(ForeignKey("registry_use_cases.use_case"), primary_key=True)
    sequence: Mapped[int] = mapped_column(primary_key=True)
    block: Mapped[str] = mapped_column(String(16), index=True)
    decision: Mapped[str] = mapped_column(String(64))
    cases: Mapped[int]
    contract_limit: Mapped[int]
    reason: Mapped[str] = mapped_column(Text)
    changed_by: Mapped[str] = mapped_column(String(256))
    changed_at: Mapped[datetime] = mapped_column(Instant)
    event_id: Mapped[str] = mapped_column(String(256), unique=True)


class EvaluationRow(Base):
    """What a package would have cost in a judged block: once per role, never changed, whatever is said later."""

    __tablename__ = "registry_evaluations"
    __table_args__ = (_digest("package_digest"), _one_of("role", ("candidate", "rollback_target", "pinned")))

    package_digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    block: Mapped[str] = mapped_column(String(16), primary_key=True)
    role: Mapped[str] = mapped_column(String(16), primary_key=True)
    use_case: Mapped[str] = mapped_column(String(64), index=True)
    evaluated_at: Mapped[datetime] = mapped_column(Instant)
    event: Mapped[str] = mapped_column(Text)


class ActivationRow(Base):
    """What each serving worker said last about the newest release that it was told of."""

    __tablename__ = "registry_activations"
    __table_args__ = (
        _one_of("status", ("active", "refused")),
        CheckConstraint("replica >= 0", name="replica_counts_from_zero"),
    )

    use_case: Mapped[str] = mapped_column(String(64), primary_key=True)
    replica: Mapped[int] = mapped_column(primary_key=True)
    worker: Mapped[str] = mapped_column(String(256), primary_key=True)
    sequence: Mapped[int]
    package_digest: Mapped[str] = mapped_column(String(64))
    status: Mapped[str] = mapped_column(String(16))
    check: Mapped[str | None] = mapped_column("failed_check", String(256))
    detail: Mapped[str | None] = mapped_column(Text)
    milliseconds: Mapped[float]
    reported_at: Mapped[datetime] = mapped_column(Instant)


class LedgerRow(Base):
    """One line of the history; written once, chained to the line before."""

    __tablename__ = "registry_ledger"
    # No line continues a line that another already continues: the chain cannot fork.
    __table_args__ = (UniqueConstraint("previous"), UniqueConstraint("hash"), _digest("previous"), _digest("hash"))

    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    kind: Mapped[str] = mapped_column(String(64))
    use_case: Mapped[str] = mapped_column(String(64), index=True)
    at: Mapped[datetime] = mapped_column(Instant)
    text: Mapped[str] = mapped_column(Text)
    event_id: Mapped[str] = mapped_column(String(256))
    behaviour_digest: Mapped[str | None] = mapped_column(String(64))
    contract_digest: Mapped[str | None] = mapped_column(String(64))
    package_digest: Mapped[str | None] = mapped_column(String(64))
    cause: Mapped[str | None] = mapped_column(String(16))
    sequence: Mapped[int | None]
    previous: Mapped[str] = mapped_column(String(64))
    hash: Mapped[str] = mapped_column(String(64))


class LedgerHeadRow(Base):
    """How long the ledger is and where it ends: one row, so that a cut-off tail shows and writers queue up."""

    __tablename__ = "registry_ledger_head"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"), CheckConstraint("length >= 0", name="length_counts"))

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    length: Mapped[int]
    hash: Mapped[str] = mapped_column(String(64))


_REFUSE = """
CREATE OR REPLACE FUNCTION headrace_append_only() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION '%% is append-only', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation'; END $$
"""


def _append_only(row: type[Base]) -> None:
    table = row.__table__
    ddl: Callable[[str], Any] = DDL
    event.listen(table, "after_create", ddl(_REFUSE).execute_if(dialect="postgresql"))
    for verb in ("UPDATE", "DELETE"):
        head = f"CREATE TRIGGER {table}_never_{verb.lower()} BEFORE {verb} ON {table}"
        sqlite = ddl(f"{head} BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END")
        postgres = ddl(f"{head} FOR EACH ROW EXECUTE FUNCTION headrace_append_only()")
        event.listen(table, "after_create", sqlite.execute_if(dialect="sqlite"))
        event.listen(table, "after_create", postgres.execute_if(dialect="postgresql"))


for _row in (ContractRow, ReleaseRow, CapacityRow, EvaluationRow, LedgerRow):
    _append_only(_row)
