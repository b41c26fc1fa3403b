"""The two data topics: what was decided, and what really happened."""

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from shared.events.base import MAX_ROWS, Count, Digest, Event, Instant, Name, Part, PredictionId, RequestId, Short, Text

Category = Annotated[str, Field(max_length=256, pattern=r"^[^\x00]*$")]


class PredictionServed(Event):
    """One request, or 500 decisions of it, column by column.

    Entry i of every list belongs to position `first_position + i`. A refused or failed request has no rows
    and says why in `error`.
    """

    topic: ClassVar[str] = "prediction_served"
    kind: ClassVar = "data"
    publishers: ClassVar = ("serving",)
    listeners: ClassVar = ("monitor",)

    use_case: Name
    request_id: RequestId
    first_position: Count = 0
    status: Literal["answered", "refused", "failed"]
    error: Text | None = None
    latency_ms: Annotated[float, Field(ge=0)] = 0.0
    release_sequence: Count = 0
    package_digest: Digest | None = None
    behaviour_digest: Digest | None = None
    contract_digest: Digest | None = None
    event_times: Annotated[list[Instant], Field(max_length=MAX_ROWS)] = []
    blocks: list[Short] = []
    scores: list[Annotated[list[float], Field(min_length=1, max_length=1000)]] = []
    decisions: list[Short] = []
    reasons: list[Short] = []
    places: list[Count | None] = []
    propensities: list[Annotated[float, Field(ge=0, le=1)]] = []
    arms: list[Short] = []
    flagged: list[Annotated[list[Name], Field(max_length=1000)]] = []
    numbers: Annotated[dict[Name, list[float | None]], Field(max_length=1000)] = {}
    categories: Annotated[dict[Name, list[Category | None]], Field(max_length=1000)] = {}

    @property
    def key(self) -> str:
        """Requests of one use case spread over the partitions; a request stays on one."""
        return f"{self.use_case}/{self.request_id}"

    @model_validator(mode="after")
    def _same_length(self) -> Self:
        rows = len(self.event_times)
        columns: dict[str, Sequence[object]] = {
            "blocks": self.blocks,
            "scores": self.scores,
            "decisions": self.decisions,
            "reasons": self.reasons,
            "places": self.places,
            "propensities": self.propensities,
            "arms": self.arms,
            "flagged": self.flagged,
            **self.numbers,
            **self.categories,
        }
        for name, column in columns.items():
            if len(column) != rows:
                raise ValueError(f"{name} has {len(column)} entries, event_times has {rows}")
        if (self.status == "answered") != (rows > 0):
            raise ValueError(f"status {self.status} with {rows} decisions")
        if rows and not (
            self.release_sequence and self.package_digest and self.behaviour_digest and self.contract_digest
        ):
            raise ValueError("answered without release_sequence, package, behaviour and contract digest")
        return self


class Outcome(Part):
    """What really happened to one prediction: a class, or a number for a regression."""

    prediction_id: PredictionId
    label: Short | None = None
    value: float | None = None
    known_at: Instant

    @model_validator(mode="after")
    def _one_of(self) -> Self:
        if (self.label is None) == (self.value is None):
            raise ValueError("an outcome has either a label or a value")
        return self


class OutcomeRecorded(Event):
    """Outcomes that became known, by prediction id, whenever that is."""

    topic: ClassVar[str] = "outcome_recorded"
    kind: ClassVar = "data"
    publishers: ClassVar = ("serving", "any service")
    listeners: ClassVar = ("monitor",)

    use_case: Name
    outcomes: Annotated[list[Outcome], Field(min_length=1, max_length=MAX_ROWS)]

    @property
    def key(self) -> str:
        """Outcomes of one event stay together; no promise rests on order between events."""
        return f"{self.use_case}/{self.outcomes[0].prediction_id}"
