"""The events in which the monitor and the trainer say what they saw in the blocks of a use case."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from shared.events.base import Count, Digest, Event, Minor, Name, Numbers, Ordinal, Part, Short, Text
from shared.events.capacity import CapacityWord
from shared.events.measurements import MeasuredKpi


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
    `forecast_minor` is the value that the package's out-of-sample rows promise for the cases that the model decided.
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
    forecast_minor: Minor | None = None
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
