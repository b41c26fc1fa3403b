"""What a demo plays: a use case of `examples/`, its history as a stream of event hours, and the dates."""

import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd

from headrace.errors import CommandError
from shared.contract import read_contract

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
# A use case of `examples/` is a demo when it brings this file: FIRST_DAY and LAST_DAY of one year that can be played
# (what lies before trains the first model), USUAL_MONTHS, SIMULATED, and, where people interfere, `acts`.
SCRIPT = "scenario"


# The label of a classification, the value of a regression.
Outcome = str | float


class ScenarioError(CommandError):
    """The demo cannot be played as asked; the message says what can."""


@dataclass(frozen=True)
class Hour:
    """One event hour: the records to decide, and the outcomes that became known in it."""

    begins: datetime
    name: str
    records: list[dict[str, Any]]
    rows: list[int]
    outcomes: list[tuple[int, Outcome, datetime]]


class Scenario:
    """A use case played from `start` to `end` (event time, local midnights)."""

    def __init__(
        self, contract_text: str, frame: pd.DataFrame, start: datetime, end: datetime, simulated: bool = False
    ) -> None:
        self.contract = contract = read_contract(contract_text)
        self.contract_text, self.start, self.end, self.simulated = contract_text, start, end, simulated
        self._frame = frame
        # Outcomes of cases from before the start belong to the history that the first model is trained on.
        frame = frame[(frame[contract.event_time] >= start) & (frame[contract.event_time] < end)]
        self.size = len(frame)
        names = list(contract.feature_names)
        values = frame[names].astype(object).where(frame[names].notna(), None)
        self._records = [{str(name): value for name, value in row.items()} for row in values.to_dict("records")]
        self._times = [at.isoformat() for at in frame[contract.event_time]]
        outcome = str if contract.classification else float
        self._outcomes: list[Outcome | None] = [
            None if value is None or value != value else outcome(value) for value in frame[contract.label.name]
        ]
        self._known = list(frame["known_at"])
        self._deciding = _by_hour(frame[contract.event_time])
        self._learning = _by_hour(frame["known_at"])

    def until(self, end: datetime) -> "Scenario":
        """The same scenario with an earlier end."""
        return Scenario(self.contract_text, self._frame, self.start, end, self.simulated)

    def under(self, contract_text: str) -> "Scenario":
        """The same cases under another contract."""
        return Scenario(contract_text, self._frame, self.start, self.end, self.simulated)

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
                    hour,
                    f"{self.contract.use_case}-{hour:%Y%m%dT%H}",
                    [self._records[row] | {self.contract.event_time: self._times[row]} for row in decide],
                    decide,
                    [(row, outcome, self._known[row]) for row in learn if (outcome := self._outcomes[row]) is not None],
                )
            hour += timedelta(hours=1)


def _by_hour(times: "pd.Series[pd.Timestamp]") -> dict[datetime, list[int]]:
    """Row positions by UTC hour, each in order of time; rows without a time are left out."""
    stamped = times.dt.tz_convert("UTC").reset_index(drop=True).dropna().sort_values(kind="stable")
    groups: dict[datetime, list[int]] = {}
    for position, hour in stamped.dt.floor("h").items():
        groups.setdefault(hour.to_pydatetime(), []).append(int(str(position)))
    return groups


def demos() -> dict[str, str]:
    """Name -> use case of every demo; the name is the first word of the use case."""
    scripts = sorted(EXAMPLES.glob(f"*/{SCRIPT}.py"))
    return {script.parent.name.partition("_")[0]: script.parent.name for script in scripts}


def script_of(use_case: str) -> ModuleType:
    """What the use case says about its demo."""
    return importlib.import_module(f"examples.{use_case}.{SCRIPT}")


def load_scenario(name: str, months: str | None = None) -> Scenario:
    """The demo `name` over months such as "3-4" or "5" (its usual ones by default); raises ScenarioError."""
    known = demos()
    if name not in known:
        raise ScenarioError(f"there is no demo {name!r}; there is: {', '.join(known)}")
    use_case, script = known[name], script_of(known[name])
    first, end = _period(script.USUAL_MONTHS if months is None else months, script.FIRST_DAY, script.LAST_DAY)
    text = (EXAMPLES / use_case / "contract.yaml").read_text(encoding="utf-8")
    zone = ZoneInfo(read_contract(text).timezone)
    start, stop = (datetime(day.year, day.month, day.day, tzinfo=zone) for day in (first, end))
    source = importlib.import_module(f"examples.{use_case}.source")
    return Scenario(text, source.load(until=stop), start, stop, script.SIMULATED)


def _period(months: str, first_day: date, last_day: date) -> tuple[date, date]:
    """The first day to play and the day after the last."""
    first, _, last = months.partition("-")
    if not (first.isdigit() and (last or first).isdigit()):
        raise ScenarioError(f"months must look like 3-4 or 5, got {months!r}")
    begin, end = int(first), int(last or first)
    if not first_day.month <= begin <= end <= last_day.month:
        raise ScenarioError(
            f"months must lie between {first_day.month} and {last_day.month} of {first_day.year} (what lies before "
            f"{first_day} trains the first model), got {months!r}"
        )
    after = date(first_day.year + end // 12, end % 12 + 1, 1)
    return max(first_day, date(first_day.year, begin, 1)), min(last_day + timedelta(days=1), after)
