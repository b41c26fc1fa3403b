"""What the teams behind decisions say about how much they can take today."""

from typing import Annotated, ClassVar

from pydantic import Field

from shared.events.base import Count, Document, Event, Instant, Name, Ordinal, Part, Text

BlockName = Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")]
Who = Annotated[str, Field(min_length=1, max_length=256, pattern=r"^[^\x00]*$")]


class CapacityChanged(Event):
    """In one block the team behind a decision takes fewer cases than the contract allows; the newest word counts.

    It binds from its event time on: what was taken before stands, and where that is more, none is left. `forecast` is
    an average day before and after. Sequences count by use case; an older one changes nothing.
    """

    topic: ClassVar[str] = "capacity_changed"
    publishers: ClassVar = ("registry",)
    listeners: ClassVar = ("serving", "monitor")

    use_case: Name
    sequence: Ordinal
    block: BlockName
    decision: Name
    limit: Count
    contract_limit: Count
    reason: Text
    changed_by: Who
    forecast: Document | None = None


class CapacityWord(Part):
    """The same in the report of its block: from `at` on at most `limit`, where the contract allows `contract_limit`."""

    sequence: Ordinal
    at: Instant
    decision: Name
    limit: Count
    contract_limit: Count
    reason: Text
    changed_by: Who
