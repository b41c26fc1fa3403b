"""A length of time as a contract writes it: 12h, 2d, 3w, 1 month."""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

_WRITTEN = re.compile(r"([1-9][0-9]{0,3}) ?(h|hours?|d|days?|w|weeks?|months?)", re.ASCII)
_HOURS = {"h": 1, "d": 24, "w": 168}
ALLOWED = "a number and a unit: 12h, 2d, 3w"
ALLOWED_WITH_MONTHS = ALLOWED + " or 1 month"


@dataclass(frozen=True)
class Duration:
    """Hours, days and weeks have a fixed length; a month runs to the same day of the next month."""

    count: int
    unit: str

    @classmethod
    def parse(cls, raw: object) -> Duration:
        """Read the text of a contract.

        >>> Duration.parse("2d").delta, str(Duration.parse("3 months"))
        (datetime.timedelta(days=2), '3 months')
        """
        if isinstance(raw, Duration):
            return raw
        match = _WRITTEN.fullmatch(raw) if isinstance(raw, str) else None
        if match is None:
            raise PydanticCustomError("duration", "must be a length of time")
        unit = "month" if match[2].startswith("month") else match[2][0]
        return cls(int(match[1]), unit)

    @property
    def delta(self) -> timedelta:
        """The fixed length; ValueError for months, which have none."""
        if self.unit == "month":
            raise ValueError("a month has no fixed length")
        return timedelta(hours=self.count * _HOURS[self.unit])

    def after(self, moment: datetime) -> datetime:
        """The moment this much later; a month later than the 31st is the last day of a shorter month.

        >>> Duration.parse("1 month").after(datetime(2013, 1, 31, 6))
        datetime.datetime(2013, 2, 28, 6, 0)
        """
        if self.unit != "month":
            return moment + self.delta
        year, month = divmod(moment.year * 12 + moment.month - 1 + self.count, 12)
        day = min(moment.day, calendar.monthrange(year, month + 1)[1])
        return moment.replace(year=year, month=month + 1, day=day)

    def times(self, count: int) -> Duration:
        """So many of it; months keep the day that they began on, which adding them one by one would not."""
        return Duration(self.count * count, self.unit)

    def __str__(self) -> str:
        if self.unit != "month":
            return f"{self.count}{self.unit}"
        return "1 month" if self.count == 1 else f"{self.count} months"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            cls.parse,
            serialization=core_schema.plain_serializer_function_ser_schema(str, return_schema=core_schema.str_schema()),
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"type": "string", "pattern": f"^{_WRITTEN.pattern}$", "x-allowed": ALLOWED_WITH_MONTHS}


def _fixed(duration: Duration) -> Duration:
    if duration.unit == "month":
        raise PydanticCustomError("duration", "cannot be months here: a month has no fixed length")
    return duration


def _whole_days(duration: Duration) -> Duration:
    if _fixed(duration).delta % timedelta(days=1):
        raise PydanticCustomError("duration", "must be whole days, because a block is a day")
    return duration


FixedDuration = Annotated[Duration, AfterValidator(_fixed), Field(json_schema_extra={"x-allowed": ALLOWED})]
Days = Annotated[Duration, AfterValidator(_whole_days), Field(json_schema_extra={"x-allowed": "whole days: 14d, 2w"})]
