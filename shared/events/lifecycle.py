"""The events that make the history of a use case: kilobytes a year, one partition each, kept for ever."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from shared.events.base import Count, Digest, Document, Event, Instant, Minor, Name, Numbers, Ordinal, Short, Text


class UseCaseApplied(Event):
    """A use case contract is in force from now on; the whole contract, what changed and who signed it."""

    topic: ClassVar[str] = "use_case_applied"
    publishers: ClassVar = ("registry",)
    listeners: ClassVar = ("trainer", "serving", "monitor", "console")

    use_case: Name
    contract_digest: Digest
    contract: Document
    revision: Ordinal
    changed: Annotated[list[Short], Field(max_length=4096)]
    signed_by: Short
    applied_by: Short | None = None
    forecast: Document | None = None


class TrainingRequested(Event):
    """Please retrain, with a reason; the trainer decides."""

    topic: ClassVar[str] = "training_requested"
    publishers: ClassVar = ("operator", "trainer", "any service")
    listeners: ClassVar = ("trainer", "console")

    use_case: Name
    reason: Text
    requested_by: Short
    kind_of_cause: Literal["person", "schedule", "drift", "service"] = "service"


class ModelTrained(Event):
    """A package exists in the store; the registry judges it."""

    topic: ClassVar[str] = "model_trained"
    publishers: ClassVar = ("trainer", "any trainer")
    listeners: ClassVar = ("registry", "trainer", "console")

    use_case: Name
    package_digest: Digest
    behaviour_digest: Digest
    contract_digest: Digest
    train_until: Instant
    evaluation: Numbers = {}
    lineage: Annotated[dict[Short, Text], Field(max_length=64)] = {}


class TrainingFinished(Event):
    """How a training request ended."""

    topic: ClassVar[str] = "training_finished"
    publishers: ClassVar = ("trainer",)
    listeners: ClassVar = ("console", "anyone")

    use_case: Name
    run_id: Short
    outcome: Literal["trained", "declined", "failed", "cancelled"]
    reason: Text
    package_digest: Digest | None = None
    log: Text | None = None
    wall_seconds: Annotated[float, Field(ge=0)] = 0.0


class ModelRejected(Event):
    """A candidate is closed: which gate it failed, with the number and the limit."""

    topic: ClassVar[str] = "model_rejected"
    publishers: ClassVar = ("registry",)
    listeners: ClassVar = ("trainer", "console", "anyone")

    use_case: Name
    package_digest: Digest
    behaviour_digest: Digest | None = None
    gate: Short
    measured: float | None = None
    limit: float | None = None
    explanation: Text


class ModelReleased(Event):
    """What a use case serves from now: a package under a contract, as a decision policy."""

    topic: ClassVar[str] = "model_released"
    publishers: ClassVar = ("registry",)
    listeners: ClassVar = ("serving", "monitor", "trainer", "console")

    use_case: Name
    sequence: Ordinal
    package_digest: Digest
    behaviour_digest: Digest
    contract_digest: Digest
    policy: Document
    cause: Literal["first", "promotion", "person", "rollback", "objective"]
    reason: Text
    released_by: Short
    rollback_target: Digest | None = None
    forced: bool = False


class ActivationReported(Event):
    """A serving worker serves a release, or refused it and which check failed."""

    topic: ClassVar[str] = "activation_reported"
    publishers: ClassVar = ("serving",)
    listeners: ClassVar = ("registry", "monitor", "console")

    use_case: Name
    sequence: Ordinal
    package_digest: Digest
    replica: Count
    worker: Short
    status: Literal["active", "refused"]
    check: Short | None = None
    detail: Text | None = None
    milliseconds: Annotated[float, Field(ge=0)] = 0.0


class RollbackRequested(Event):
    """Please take back a release; a request, never a command: the registry checks it."""

    topic: ClassVar[str] = "rollback_requested"
    publishers: ClassVar = ("monitor", "any service")
    listeners: ClassVar = ("registry", "console")

    use_case: Name
    requested_by: Short
    reason: Text
    release_sequence: Ordinal | None = None
    to_package: Digest | None = None
    kpi: Short | None = None
    evidence: Numbers = {}


class ReportPublished(Event):
    """A report on a use case went out: which period, what it said in money, and where the page can be read.

    Money is that of `kpi_reported` as known at `time`, over labelled rows; one event for each use case and period.
    """

    topic: ClassVar[str] = "report_published"
    publishers: ClassVar = ("console",)
    listeners: ClassVar = ("anyone",)

    use_case: Name
    first_block: Short
    last_block: Short
    every: Literal["day", "week", "month"]
    contract_digest: Digest
    page: Short
    volume: Count
    labelled: Count
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
    cost_minor: Minor
    cost_without_model_minor: Minor
    value_minor: Minor
    incidents: Count = 0
    selected: bool = False


class TimeAdvanced(Event):
    """In a replay, event time is now `now`: every clock moves."""

    topic: ClassVar[str] = "time_advanced"
    publishers: ClassVar = ("replay",)
    listeners: ClassVar = ("registry", "trainer", "serving", "monitor", "console")

    now: Instant
