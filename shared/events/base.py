"""What every event has in common: CloudEvents attributes, causation, strict and bounded fields."""

import uuid
from datetime import UTC, datetime
from math import isfinite
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    StringConstraints,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

NAMESPACE = uuid.UUID("6f1c1b52-5a5c-5d0e-9d3b-8f0f6b0f5a11")
ATTRIBUTES = ("id", "source", "time", "correlation_id", "causation_id")
MAX_ROWS = 500
SAFE_INTEGER = 2**53 - 1


def _instant(value: object, check: ValidatorFunctionWrapHandler, info: ValidationInfo) -> datetime:
    # Parsed here, because pydantic takes digits for seconds since 1970, or for milliseconds when there are many.
    if isinstance(value, str) and info.mode == "json":
        try:
            value = datetime.fromisoformat(value if value[4:5] == "-" else "")
        except ValueError:
            raise ValueError("must be a time such as 2013-03-01T05:00:00Z") from None
    moment: datetime = check(value)
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("must lie between the years 1 and 9999") from None


def _bounded(value: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """No NUL, no over-long text, no number beyond double precision anywhere in a free-form document."""
    pending: list[tuple[JsonValue, int]] = [(value, 0)]
    while pending:
        item, depth = pending.pop()
        if depth > 16:
            raise ValueError("nested deeper than 16 levels")
        match item:
            case str() if "\0" in item or len(item) > 65_536:
                raise ValueError("text with NUL or longer than 65,536 characters")
            case float() if not isfinite(item):
                raise ValueError("a number that is not finite")
            case int() if abs(item) > SAFE_INTEGER:
                raise ValueError(f"an integer beyond ±{SAFE_INTEGER}")
            case dict():
                pending += [(part, depth + 1) for pair in item.items() for part in pair]
            case list():
                pending += [(part, depth + 1) for part in item]
            case _:
                pass
    return value


# NUL is refused: databases and C libraries cut text at it.
Text = Annotated[str, StringConstraints(max_length=4096, pattern=r"^[^\x00]*$")]
Short = Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=r"^[^\x00]*$")]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
RequestId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._:\-]{1,128}$")]
PredictionId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._:\-]{1,128}/[0-9]{1,9}$")]
Count = Annotated[int, Field(ge=0, le=SAFE_INTEGER)]
# A sequence or revision: what a database keeps in four bytes.
Ordinal = Annotated[int, Field(ge=1, le=2**31 - 1)]
Minor = Annotated[int, Field(ge=-SAFE_INTEGER, le=SAFE_INTEGER)]
Instant = Annotated[AwareDatetime, WrapValidator(_instant)]
Document = Annotated[dict[str, JsonValue], AfterValidator(_bounded)]
Numbers = Annotated[dict[Short, float], Field(max_length=256)]


class Part(BaseModel):
    """A piece of an event's body."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore", allow_inf_nan=False)


class Event(BaseModel):
    """A fact that happened, or a request (`…Requested`); one subclass per topic.

    `time` is event time, in UTC. `correlation_id` names the whole story, `causation_id` the event that led to this one.
    """

    # Unknown fields are let in here only so that `from_record` can count and drop them.
    model_config = ConfigDict(frozen=True, strict=True, extra="allow", allow_inf_nan=False)

    topic: ClassVar[str]
    kind: ClassVar[Literal["lifecycle", "data"]] = "lifecycle"
    publishers: ClassVar[tuple[str, ...]] = ()
    listeners: ClassVar[tuple[str, ...]] = ()

    id: Short
    source: Short
    time: Instant
    correlation_id: Short
    causation_id: Short | None = None

    @property
    def key(self) -> str:
        """The Kafka key: what must stay in order together."""
        return str(getattr(self, "use_case", self.topic))

    @classmethod
    def begin(cls, *, source: str, time: datetime, id: str | None = None, **fields: Any) -> Self:
        """The first event of a story: nothing caused it."""
        cls._known(fields)
        name = id or str(uuid.uuid4())
        return cls(id=name, source=source, time=time, correlation_id=name, **fields)

    @classmethod
    def follow(cls, cause: "Event", subject: str, /, *, source: str, time: datetime, **fields: Any) -> Self:
        """An event that `cause` led to; the same cause and subject always give the same id."""
        cls._known(fields)
        return cls(
            id=derived_id(cause.id, cls.topic, subject),
            source=source,
            time=time,
            correlation_id=cause.correlation_id,
            causation_id=cause.id,
            **fields,
        )

    @classmethod
    def _known(cls, fields: dict[str, Any]) -> None:
        if unknown := fields.keys() - cls.model_fields.keys():
            raise TypeError(f"{cls.__name__} has no field {sorted(unknown)}")


def derived_id(*parts: str) -> str:
    """UUIDv5 over the parts: deterministic, so that doing a thing twice gives one event.

    >>> derived_id("cause", "model_released", "flights") == derived_id("cause", "model_released", "flights")
    True
    """
    return str(uuid.uuid5(NAMESPACE, "\n".join(parts)))
