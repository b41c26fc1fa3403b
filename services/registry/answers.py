"""What the registry's API says and hears, as documents."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from services.registry.ledger import Link
from services.registry.promotion import HYPOTHESIS, Judgement, why_not_now
from services.registry.standing import Standing
from services.registry.tables import (
    ActivationRow,
    CandidateRow,
    CapacityRow,
    PackageRow,
    RejectionRow,
    ReleaseRow,
    UseCaseRow,
)

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
# Signs that turn the direction of text make a line of the ledger read otherwise than it is.
_TURNS = r"\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069"
Words = Annotated[str, Field(min_length=1, max_length=2000, pattern=rf"^[^\x00-\x08\x0b\x0c\x0e-\x1f{_TURNS}]+$")]
Who = Annotated[str, Field(min_length=1, max_length=100, pattern=rf"^[^\x00-\x1f{_TURNS}]+$")]


class Asked(BaseModel):
    """A request's body: closed, so that a misspelt key is an error and not ignored."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class ReleaseAsked(Asked):
    """Release this package now; the reason stands in the ledger. With `force` the business gates do not bind."""

    package: Digest
    reason: Words
    released_by: Who | None = None
    force: bool = False


class RollbackAsked(Asked):
    """Go back now, to the last good package unless another is named."""

    reason: Words
    to: Digest | None = None
    released_by: Who | None = None


class CapacityAsked(Asked):
    """Take at most so many cases of a decision in a block (the current one); the reason stands in the ledger."""

    decision: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
    limit: Annotated[int, Field(ge=0, le=1_000_000_000)]
    reason: Words
    block: Annotated[str, Field(pattern=r"^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$")] | None = None
    changed_by: Who | None = None


class CapacityWord(BaseModel):
    """What a team has said: in this block at most `limit` of the `contract_limit`; the newest of a block counts."""

    use_case: str
    sequence: int
    block: str
    decision: str
    limit: int
    contract_limit: int
    reason: str
    changed_by: str
    changed_at: datetime
    event_id: str


class CapacityAnswer(CapacityWord):
    """The same, with an average day before and after."""

    forecast: dict[str, Any] | None


class Released(BaseModel):
    """A release."""

    model_config = ConfigDict(from_attributes=True)

    use_case: str
    sequence: int
    package_digest: str
    behaviour_digest: str
    contract_digest: str
    cause: str
    reason: str
    released_by: str
    released_at: datetime
    rollback_target: str | None
    forced: bool
    policy: dict[str, Any]


class Activation(BaseModel):
    """What one serving worker said last."""

    model_config = ConfigDict(from_attributes=True)

    replica: int
    worker: str
    sequence: int
    package_digest: str
    status: str
    check: str | None
    detail: str | None
    milliseconds: float
    reported_at: datetime


class Candidate(BaseModel):
    """The package that waits for evidence: promoted when `e_value` reaches `threshold`; `waits_for` forbids it now."""

    package_digest: str
    behaviour_digest: str
    train_until: datetime
    opened_at: datetime
    expires_at: datetime
    hypothesis: str
    e_value: float
    threshold: float
    alpha: float
    blocks: int
    better: int
    worse: int
    against_last_good: int
    saved_minor: int
    waits_for: str | None


class UseCase(BaseModel):
    """A use case: contract in force, release, what teams said of blocks that have not ended, the open candidate."""

    use_case: str
    revision: int
    contract_digest: str
    signed_by: str
    applied_by: str
    applied_at: datetime
    release: Released | None
    activations: list[Activation]
    capacity: list[CapacityWord] = []
    candidate: Candidate | None = None
    contract: dict[str, Any] | None = None


class Rejection(BaseModel):
    """Why a package was turned down."""

    model_config = ConfigDict(from_attributes=True)

    gate: str
    measured: float | None
    limit: float | None = Field(validation_alias="bound")
    explanation: str
    rejected_at: datetime


class PackageSummary(BaseModel):
    """A package that the registry has verified."""

    model_config = ConfigDict(from_attributes=True)

    digest: str
    use_case: str
    behaviour_digest: str
    contract_digest: str
    train_until: datetime
    evaluation: dict[str, float]
    status: str
    verified: bool
    known_since: datetime


class LedgerEntry(BaseModel):
    """A line of the ledger; `hash` covers it and everything before it."""

    position: int
    kind: str
    at: datetime
    text: str
    event_id: str
    behaviour_digest: str | None
    contract_digest: str | None
    package_digest: str | None
    cause: str | None
    sequence: int | None
    previous: str
    hash: str


def use_case(
    row: UseCaseRow,
    release: ReleaseRow | None,
    activations: list[ActivationRow],
    contract: dict[str, Any] | None = None,
    waiting: Candidate | None = None,
    capacity: Sequence[CapacityRow] = (),
) -> UseCase:
    """Put the rows of one use case together."""
    return UseCase(
        use_case=row.use_case,
        revision=row.revision,
        contract_digest=row.contract_digest,
        signed_by=row.signed_by,
        applied_by=row.applied_by,
        applied_at=row.applied_at,
        release=Released.model_validate(release) if release else None,
        activations=[Activation.model_validate(each) for each in activations if each.use_case == row.use_case],
        capacity=[capacity_word(word) for word in capacity],
        candidate=waiting,
        contract=contract,
    )


def capacity_word(row: CapacityRow) -> CapacityWord:
    """One word of a team."""
    said = {name: getattr(row, name) for name in CapacityWord.model_fields if name != "limit"}
    return CapacityWord(limit=row.cases, **said)


def candidate(row: CandidateRow, standing: Standing, judgement: Judgement, now: datetime) -> Candidate:
    """The open candidate as the evidence stands now."""
    contract = standing.contract
    return Candidate(
        package_digest=row.package_digest,
        behaviour_digest=row.behaviour_digest,
        train_until=row.train_until,
        opened_at=row.opened_at,
        expires_at=contract.retraining.candidate_expires.after(row.opened_at),
        hypothesis=HYPOTHESIS,
        waits_for=why_not_now(standing.history, now, contract.rollback.probation.delta),
        **{name: value for name, value in asdict(judgement).items() if name != "promote"},
    )


def entry(link: Link) -> LedgerEntry:
    """One line."""
    names = set(LedgerEntry.model_fields) - {"position", "previous", "hash"}
    said = {name: getattr(link.entry, name) for name in names}
    return LedgerEntry(position=link.position, previous=link.previous, hash=link.hash, **said)


def package(row: PackageRow) -> PackageSummary:
    """One package."""
    return PackageSummary.model_validate(row)


def rejection(row: RejectionRow) -> Rejection:
    """One rejection."""
    return Rejection.model_validate(row)
