"""What other services measure, and what became of it in a block."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from shared.events.base import Count, Event, Name, Part, Short

UnitText = Annotated[str, Field(min_length=1, max_length=32, pattern=r"^[^\x00-\x1f\x7f]+$")]


class MeasurementRecorded(Event):
    """One value of a KPI that others measure; it counts in the block of its event time, once per id.

    It comes as often as there are cases, hence a data topic: several partitions, and gone after a week, since the
    monitor keeps the values.
    """

    topic: ClassVar[str] = "measurement_recorded"
    kind: ClassVar = "data"
    publishers: ClassVar = ("operator", "any service")
    listeners: ClassVar = ("monitor",)

    use_case: Name
    name: Name
    value: float
    unit: UnitText


class MeasuredKpi(Part):
    """A measured KPI in one block: its number, of how many values, and which of its limits that breaks.

    Without a value there is no number: nobody measured anything, which is neither good nor bad.
    """

    value: float | None = None
    count: Count = 0
    unit: UnitText
    aggregation: Short
    floor: float | None = None
    ceiling: float | None = None
    broken: Literal["floor", "ceiling"] | None = None
