"""The events that make the history of a use case: kilobytes a year, one partition each, kept for ever."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from shared.events.base import Count, Digest, Document, Event, Instant, Minor, Name, Numbers, Ordinal, Part, Short, Text
from shared.events.capacity import CapacityWord
from shared.events.measurements import MeasuredKpi


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


class ArmReported(Part):
    """One arm of a block: how many cases, and the money of those that are labelled; variances per case."""

    cases: Count
    labelled: Count
    cost_minor: Minor
    cost_without_model_minor: Minor
    cost_variance: Annotated[float, Field(ge=0)]
    value_variance: Annotated[float, Field(ge=0)]


class EstimatedBlock(Part):
    """What all `volume` decisions by the model cost, on one axis: estimated with its plain 95 % interval, the labels so
    far scaled up (`partial_minor`), and realised when no more labels come. No part of any realised sum.
    """

    method: Literal["scores", "scores and audited labels", "audited labels", "none"]
    assumption: Text
    volume: Count
    audited: Count = 0
    cost_minor: Minor | None = None
    cost_low_minor: Minor | None = None
    cost_high_minor: Minor | None = None
    partial_minor: Minor | None = None
    realised_minor: Minor | None = None
    brier: Annotated[float, Field(ge=0)] | None = None
    brier_low: Annotated[float, Field(ge=0)] | None = None
    brier_high: Annotated[float, Field(ge=0)] | None = None


class KpiReported(Event):
    """Value, volume, capacity use and quality of one release in one block; a correction names what it replaces.

    `arms`, where the contract takes a control or an audit share: control (decided without the model), model, and hidden
    (decided by the model, with no label but of an audit). Sums are realised; an estimate made of them is not in here.
    """

    topic: ClassVar[str] = "kpi_reported"
    publishers: ClassVar = ("monitor",)
    listeners: ClassVar = ("trainer", "console", "anyone")

    use_case: Name
    block: Short
    release_sequence: Ordinal
    package_digest: Digest
    behaviour_digest: Digest
    contract_digest: Digest
    status: Literal["closed", "judged", "given_up"]
    revision: Ordinal
    replaces: Short | None = None
    volume: Count
    labelled: Count
    awaiting: Count
    given_up: Count
    coverage: Annotated[float, Field(ge=0, le=1)]
    mature: bool
    selected: bool = False
    positives: Count = 0
    decisions: dict[Short, Count]
    reasons: dict[Short, Count]
    arms: dict[Short, ArmReported] = {}
    capacity_limit: dict[Short, Count] = {}
    capacity_used: dict[Short, Count] = {}
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
    cost_minor: Minor
    cost_without_model_minor: Minor
    value_minor: Minor
    quality: Numbers = {}
    estimated: EstimatedBlock | None = None
    incidents: Annotated[list[Text], Field(max_length=64)] = []
    measured: Annotated[dict[Name, MeasuredKpi], Field(max_length=50)] = {}
    capacity_changes: Annotated[list[CapacityWord], Field(max_length=1000)] = []


class MovedFeature(Part):
    """A feature whose distribution in recent blocks lies far from the baseline; it explains, it never triggers.

    `distance` (0 to 1) is the size of the effect, beside how rare it is: `p_value` of the newest block against the
    reference, `e_value` of the whole epoch; `named`, where the evidence holds among all features with the contract's α
    as false discovery rate.
    """

    name: Name
    distance: Annotated[float, Field(ge=0)]
    change: Text = ""
    p_value: Annotated[float, Field(ge=0, le=1)] | None = None
    e_value: Annotated[float, Field(ge=0)] | None = None
    named: bool = False


class DriftDetected(Event):
    """What is served errs more than its reference said, or scores otherwise: how sure, since when, at what cost.

    An `action` asks for a retraining; a `warning` costs less than the contract's `monitoring.least_impact`.
    """

    topic: ClassVar[str] = "drift_detected"
    publishers: ClassVar = ("monitor",)
    listeners: ClassVar = ("trainer", "console")

    use_case: Name
    release_sequence: Ordinal
    package_digest: Digest
    behaviour_digest: Digest
    contract_digest: Digest
    block: Short
    unit: Literal["row", "day", "week"]
    method: Short
    alpha: Annotated[float, Field(gt=0, lt=1)]
    epoch: Ordinal
    e_value: Annotated[float, Field(ge=0)]
    threshold: Annotated[float, Field(gt=0)]
    effect_size: float
    signals: Numbers
    features: Annotated[list[MovedFeature], Field(max_length=64)] = []
    faults: Annotated[list[Text], Field(max_length=64)] = []
    estimated_cost_minor_per_block: Minor = 0
    cost_rests_on: Literal["labels", "scores", "nothing"] = "labels"
    severity: Literal["warning", "action"] = "action"


class PackageEvaluated(Event):
    """What a package that is not served would have cost in a judged block, decided again in event order.

    `served_cost_minor` is the cost of what was really served on the same labelled rows: the two are a pair. `selected`:
    only some decisions show a label, so these rows are chosen ones.
    """

    topic: ClassVar[str] = "package_evaluated"
    publishers: ClassVar = ("trainer",)
    listeners: ClassVar = ("registry", "monitor")

    use_case: Name
    package_digest: Digest
    behaviour_digest: Digest
    contract_digest: Digest
    role: Literal["candidate", "rollback_target", "pinned"]
    block: Short
    volume: Count
    labelled: Count
    cost_minor: Minor
    cost_without_model_minor: Minor
    value_minor: Minor
    served_cost_minor: Minor
    decisions: dict[Short, Count]
    brier: Annotated[float, Field(ge=0)] | None = None
    selected: bool = False


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
