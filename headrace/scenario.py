"""What a demo plays: a use case of `examples/`, its history as a stream of event hours, and the dates."""

import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd

from headrace.errors import CommandError
from shared.contract import read_contract

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
YEAR = 2013
DEMOS = {"flights": "flights_late"}


class ScenarioError(CommandError):
    """The demo cannot be played as asked; the message says what can."""


@dataclass(frozen=True)
class Hour:
    """One event hour: the records to decide, and the outcomes that became known in it."""

    name: str
    records: list[dict[str, Any]]
    rows: list[int]
    outcomes: list[tuple[int, str, datetime]]


class Scenario:
    """A use case played from `start` to `end` (event time, local midnights)."""

    def __init__(self, contract_text: str, frame: pd.DataFrame, start: datetime, end: datetime) -> None:
        self.contract = contract = read_contract(contract_text)
        self.contract_text, self.start, self.end = contract_text, start, end
        self._frame = frame
        # Outcomes of cases from before the start belong to the history that the first model is trained on.
        frame = frame[(frame[contract.event_time] >= start) & (frame[contract.event_time] < end)]
        self.size = len(frame)
        names = list(contract.feature_names)
        values = frame[names].astype(object).where(frame[names].notna(), None)
        self._records = [{str(name): value for name, value in row.items()} for row in values.to_dict("records")]
        self._times = [at.isoformat() for at in frame[contract.event_time]]
        self._labels = list(frame[contract.label.name])
        self._known = list(frame["known_at"])
        self._deciding = _by_hour(frame[contract.event_time])
        self._learning = _by_hour(frame["known_at"])

    def until(self, end: datetime) -> "Scenario":
        """The same scenario with an earlier end."""
        return Scenario(self.contract_text, self._frame, self.start, end)

    @property
    def days(self) -> list[date]:
        """The calendar days that are played."""
        count = (self.end.date() - self.start.date()).days
        return [self.start.date() + timedelta(days=number) for number in range(count)]

    def midnight(self, day: date) -> datetime:
        """When a day begins, in the contract's time zone."""
        return datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(self.contract.timezone))

    def hours(self, day: date) -> Iterator[Hour]:
        """The day's event hours in which something happens, in order."""
        hour, end = (self.midnight(d).astimezone(UTC) for d in (day, day + timedelta(days=1)))
        while hour < end:
            decide, learn = self._deciding.get(hour, []), self._learning.get(hour, [])
            if decide or learn:
                yield Hour(
                    f"{self.contract.use_case}-{hour:%Y%m%dT%H}",
                    [self._records[row] | {self.contract.event_time: self._times[row]} for row in decide],
                    decide,
                    [(row, str(self._labels[row]), self._known[row]) for row in learn],
                )
            hour += timedelta(hours=1)


def _by_hour(times: "pd.Series[pd.Timestamp]") -> dict[datetime, list[int]]:
    """Row positions by UTC hour, each in order of time; rows without a time are left out."""
    stamped = times.dt.tz_convert("UTC").reset_index(drop=True).dropna().sort_values(kind="stable")
    groups: dict[datetime, list[int]] = {}
    for position, hour in stamped.dt.floor("h").items():
        groups.setdefault(hour.to_pydatetime(), []).append(int(str(position)))
    return groups


def load_scenario(name: str, months: str) -> Scenario:
    """The demo `name` over months such as "3-4" or "5"; raises ScenarioError."""
    if name not in DEMOS:
        raise ScenarioError(f"there is no demo {name!r}; there is: {', '.join(DEMOS)}")
    first, last = _months(months)
    use_case = DEMOS[name]
    text = (EXAMPLES / use_case / "contract.yaml").read_text(encoding="utf-8")
    zone = ZoneInfo(read_contract(text).timezone)
    start = datetime(YEAR, first, 1, tzinfo=zone)
    end = datetime(YEAR + last // 12, last % 12 + 1, 1, tzinfo=zone)
    source = importlib.import_module(f"examples.{use_case}.source")
    return Scenario(text, source.load(until=end), start, end)


def _months(text: str) -> tuple[int, int]:
    first, _, last = text.partition("-")
    if not (first.isdigit() and (last or first).isdigit()):
        raise ScenarioError(f"months must look like 3-4 or 5, got {text!r}")
    begin, end = int(first), int(last or first)
    if not 3 <= begin <= end <= 12:
        raise ScenarioError(
            f"months must lie between 3 and 12 (January and February train the first model), got {text!r}"
        )
    return begin, end
