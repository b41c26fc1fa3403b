"""The use case contract: what a decision costs, which capacity it has, and what may never happen."""

from __future__ import annotations

import hashlib
import json
from decimal import Decimal
from functools import cached_property
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)
from pydantic_core import PydanticCustomError

from shared.contract.amounts import MINOR_DIGITS, Amount, to_minor
from shared.contract.durations import Days, Duration, FixedDuration
from shared.contract.fields import (
    BY_NAME,
    CLASSIFICATION,
    FINITE,
    USUAL_ERROR_RATE,
    Alpha,
    EntryPoint,
    HalfShare,
    Level,
    Name,
    Number,
    Party,
    Positive,
    Range,
    Share,
    SomeShare,
    Switch,
    Unit,
    Words,
)
from shared.contract.frozen import Frozen
from shared.contract.kpis import Kpi
from shared.contract.reporting import Reporting
from shared.contract.rules import find_faults

Task = Literal["binary", "multiclass", "regression"]
Count = Annotated[int, Field(strict=True, ge=0, le=1_000_000_000)]


def _always_or_names(raw: object) -> object:
    """Checked before the two kinds are tried, so that a mistake is explained once."""
    names = isinstance(raw, list | tuple) and raw and all(isinstance(name, str) for name in raw)
    if raw != "always" and not names:
        raise PydanticCustomError("observed_when", "must be always or a list of decisions")
    return raw


def _name_or_number(raw: object) -> object:
    if isinstance(raw, bool) or not isinstance(raw, str | int | float | Decimal):
        raise PydanticCustomError("without_model", "must be a decision or a number")
    return raw


ObservedWhen = Annotated[
    Literal["always"] | tuple[str, ...],
    BeforeValidator(_always_or_names),
    Field(json_schema_extra={"x-allowed": "always, or a list of decisions"}),
]
Fallback = Annotated[
    Annotated[str, Field(strict=True)] | Number,
    BeforeValidator(_name_or_number),
    Field(json_schema_extra={"x-allowed": "one of the decisions; for regression a number"}),
]


class Feature(Frozen):
    """One input column. Null is a value; what is outside type, range or length makes the decision `flagged`."""

    type: Literal["number", "category"]
    range: Range | None = None
    unit: Unit | None = None
    levels: Annotated[tuple[Level, ...], Field(min_length=1, max_length=10_000)] | None = None


class Label(Frozen):
    """What really happened, and when it can be known."""

    name: Name
    classes: Annotated[tuple[Name, ...], Field(min_length=2, max_length=100)] | None = Field(
        None, description="all outcomes; binary: exactly two, the last is the positive one"
    )
    range: Range | None = Field(None, description="regression: no estimate and no outcome is counted outside")
    observed_when: ObservedWhen = Field(
        "always", description="always, or a list of the decisions after which a label is seen at all"
    )
    mature_after: FixedDuration = Field(
        description="a block is judged when this has passed or all its labels are there"
    )
    give_up_after: FixedDuration = Field(description="then a label is counted as given up, never guessed")

    @property
    def selected(self) -> bool:
        """Whether only some decisions show a label: then every number that rests on labels is of chosen cases."""
        return self.observed_when != "always"


class Capacity(Frozen):
    """How many cases the people behind a decision can take."""

    per: Literal["day"] = "day"
    limit: Count
    overflow: Literal["next_best"] = "next_best"


class Decision(Frozen):
    """What may be decided: its cost for each class, and its capacity where it has one."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Amount]

    capacity: Capacity | None = None

    @property
    def costs(self) -> dict[str, Decimal]:
        """Cost of this decision by class."""
        return self.__pydantic_extra__

    @model_serializer(mode="wrap")
    def _in_order(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return dict(sorted(handler(self).items()))


class UnitCosts(Frozen):
    """Regression: the cost of each unit by which the estimate misses the outcome."""

    under: Amount
    over: Amount


class Monitoring(Frozen):
    """How the stream is cut and how often it may cry wolf."""

    block: Literal["day"] = "day"
    unit: Literal["day", "week", "row"] = Field("day", description="what is exchangeable when nothing drifts")
    alpha: Alpha = 0.05
    max_flagged: Share = Field(0.02, description="share of flagged decisions above which a block is an incident")
    least_impact: Amount | None = Field(None, description="drift that costs less per block warns, and retrains nobody")


class Training(Frozen):
    """The use case's own code, and what it is not allowed to fit on."""

    source: EntryPoint
    pipeline: EntryPoint
    holdout: Days = Duration(14, "d")


class Gates(Frozen):
    """What a package must show before it may be released; a person may force past them, never past integrity."""

    beats_without_model: Switch = True
    reviews_within_capacity: Switch = Field(True, description="mean demand over the held-out blocks ≤ capacity")
    max_brier: Annotated[float, Field(gt=0, le=2), FINITE] | None = None
    min_auc: Annotated[float, Field(ge=0.5, le=1), FINITE] | None = None
    max_error: Positive | None = Field(None, description="regression: mean absolute error")


class Retraining(Frozen):
    """Who may ask for a retraining by itself, how often, and when a candidate wins."""

    on: Annotated[tuple[Literal["drift", "schedule"], ...], Field(max_length=2)] = ("drift",)
    every: Duration | None = None
    cooldown: FixedDuration = Duration(14, "d")
    runs_per_day: Annotated[int, Field(strict=True, ge=1, le=100)] = 2
    candidate_expires: FixedDuration = Duration(60, "d")
    alpha: Alpha = 0.05


class Rollback(Frozen):
    """Which KPIs take a release back, and how sure that must be. Technical failures do, whatever `on` lists."""

    on: tuple[Name, ...] = ()
    alpha: Alpha = 0.01
    cooldown: FixedDuration = Duration(7, "d")
    probation: FixedDuration = Field(Duration(60, "d"), description="how long a forced release is watched at most")
    max_error_rate: SomeShare | None = Field(
        None,
        description="share of a block's requests that may fail; above it the release is asked back, as it is when a "
        f"worker refuses it, whatever `on` lists; {USUAL_ERROR_RATE:g} where nothing is said, 1 for never",
    )


class Contract(Frozen):
    """One use case, as its owner signed it. The order of decisions breaks ties and the order of features is the
    model's input order, so both are part of the digest.

    A field that is added later must be None by default: None stays out of the JSON, and old digests stay true.
    """

    use_case: Name
    owner: Party
    sponsors: Annotated[tuple[Party, ...], Field(max_length=50)] = ()
    objective: Words
    task: Task
    timezone: Annotated[
        str, Field(strict=True, max_length=64, description="IANA name; a block is a calendar day there")
    ] = "UTC"
    event_time: Name = Field(description="the column that says when the decision is asked for")
    features: Annotated[dict[Name, Feature], Field(min_length=1, max_length=1000)]
    label: Label
    currency: Annotated[
        str, Field(strict=True, pattern=r"^[A-Z]{3}$", json_schema_extra={"x-allowed": "an ISO 4217 code, e.g. USD"})
    ]
    minor_digits: Annotated[int, Field(strict=True, ge=0, le=6)] | None = Field(
        None, description="decimal digits that are counted, where the currency's own are too coarse or unknown"
    )
    decisions: Annotated[dict[Name, Decision], Field(min_length=2, max_length=20)] | None = Field(
        None, description="binary, multiclass: cost of each decision for each class; the first of equals is taken"
    )
    costs: UnitCosts | None = Field(None, description="regression: cost per unit of the label")
    without_model: Fallback = Field(
        description="what is decided without a model: a decision, or for regression a constant estimate"
    )
    kpis: Annotated[dict[Name, Kpi], Field(max_length=50), BY_NAME] = Field(default_factory=dict)
    monitoring: Monitoring = Monitoring()
    control_share: HalfShare = Field(
        0.0, description="share of cases decided without the model, so that its value is causal"
    )
    audit_share: HalfShare = Field(0.0, description="share of cases labelled at random")
    training: Training
    gates: Gates = Gates()
    retraining: Retraining = Retraining()
    rollback: Rollback = Rollback()
    reporting: Reporting | None = Field(None, description="a report by itself; without it, on demand only")
    signed_by: Annotated[dict[Name, Party], Field(min_length=1, max_length=20), BY_NAME]

    @model_validator(mode="after")
    def _agree(self) -> Self:
        faults = find_faults(self)
        if faults:
            said = "; ".join(f"{'.'.join(map(str, fault.path))}: {fault.message}" for fault in faults)
            raise PydanticCustomError("faults", "{said}", {"said": said, "faults": faults})
        return self

    def to_json(self) -> dict[str, Any]:
        """The contract as JSON data; `Contract.model_validate` reads it back to the same digest."""
        return self.model_dump(mode="json", exclude_none=True)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the contract's canonical JSON."""
        text = json.dumps(self.to_json(), separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()

    @cached_property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)

    @property
    def classification(self) -> bool:
        return self.task in CLASSIFICATION

    @property
    def classes(self) -> tuple[str, ...]:
        """The outcomes in the order of the scores; empty for regression."""
        return self.label.classes or ()

    @property
    def feature_names(self) -> tuple[str, ...]:
        return tuple(self.features)

    @cached_property
    def numbers(self) -> tuple[str, ...]:
        return tuple(name for name, feature in self.features.items() if feature.type == "number")

    @cached_property
    def categories(self) -> tuple[str, ...]:
        return tuple(name for name, feature in self.features.items() if feature.type == "category")

    @property
    def digits(self) -> int:
        """Decimal digits of the money that is counted."""
        return MINOR_DIGITS[self.currency] if self.minor_digits is None else self.minor_digits

    def minor(self, amount: Decimal) -> int:
        """An amount of this contract in minor units."""
        return to_minor(amount, self.digits)
