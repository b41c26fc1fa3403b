"""PURE: which events are incidents that somebody is told of, and in which words; quiet hours."""

import re
from dataclasses import dataclass
from datetime import datetime, time
from zoneinfo import ZoneInfo

from services.console.words import day, plain
from shared.events import ActivationReported, DriftDetected, Event, KpiReported, ModelReleased, TrainingFinished

_NAME = re.compile(r"([a-z][a-z0-9_]*) is .{1,80}, (?:above|below) its (?:ceiling|floor)")


@dataclass(frozen=True)
class Incident:
    """Something to tell, once: `name` is its own for ever. Urgent ones do not wait for the end of quiet hours."""

    name: str
    use_case: str
    title: str
    body: str
    urgent: bool = False


def told_by(event: Event) -> list[Incident]:
    """What an event tells by itself; broken limits go on for days, and are `limits_of`."""
    match event:
        case ModelReleased(cause="rollback"):
            return [
                _incident(
                    event,
                    f"rollback:{event.sequence}",
                    "the model was taken back",
                    "An earlier model decides again. Nothing has to be done for that.",
                    urgent=True,
                )
            ]
        case ActivationReported(status="refused"):
            return [
                _incident(
                    event,
                    f"refused:{event.sequence}",
                    "a server refused the model",
                    f"It failed the check {event.check}; the one before it goes on deciding there.",
                )
            ]
        case TrainingFinished(outcome="failed"):
            return [
                _incident(
                    event, f"training:{event.run_id}", "a training failed", "The model that decides stayed as it was."
                )
            ]
        case DriftDetected():
            return [
                _incident(
                    event,
                    f"changed:{event.release_sequence}:{event.epoch}",
                    "cases are not as they were",
                    f"The model errs more than it should, or decides otherwise, up to {event.block}.",
                )
            ]
        case _:
            return []  # fmt: skip


def limits_of(report: KpiReported) -> dict[str, str]:
    """Kind -> words of every incident of a block; the same kind on the next block is the same incident."""
    found: dict[str, str] = {}
    for text in report.incidents:
        named = _NAME.match(text)
        kind = named[1] if named else re.sub(r"\d[\d.,%]*", "#", text)[:120]
        found[kind] = f"“{plain(named[1])}” broke its limit" if named else text
    return found


def broken_limit(report: KpiReported, kind: str, words: str) -> Incident:
    """The incident that begins with this block."""
    body = f"On {day(report.block)}: {words}. It is told again only after it was over."
    return _incident(report, f"limit:{kind}:{report.block}", "a limit was broken", body)


def overdue_report(use_case: str, last: str) -> Incident:
    """A report that should have gone out long ago."""
    body = f"The report up to {day(last)} has not gone out: accounts of its days are missing, or cannot be judged."
    return Incident(f"{use_case}:overdue:{last}", use_case, _title(use_case, "a report is overdue"), body)


def silent(use_case: str, last: str) -> Incident:
    """No case any more."""
    body = f"The last cases came on {day(last)}. Nothing is known to be wrong, and nothing is known to be well."
    return Incident(f"{use_case}:silent:{last}", use_case, _title(use_case, "no cases come"), body)


def report_is_out(use_case: str, first: str, last: str, saved: str, page: str) -> Incident:
    """Not an incident, and told in the same way."""
    body = f"From {day(first)} to {day(last)} it saved {saved} against deciding without a model. The page: {page}"
    return Incident(f"{use_case}:report:{first}..{last}", use_case, _title(use_case, "the report"), body)


def is_quiet(now: datetime, zone: ZoneInfo, hours: tuple[time, time] | None) -> bool:
    """Whether `now` lies in the quiet hours of a calendar; they may go past midnight, and their end is not in them.

    >>> from datetime import UTC
    >>> late = datetime(2013, 3, 4, 3, 30, tzinfo=UTC)   # half past ten in the evening in New York
    >>> is_quiet(late, ZoneInfo("America/New_York"), (time(22), time(7))), is_quiet(late, ZoneInfo("UTC"), None)
    (True, False)
    """
    if hours is None:
        return False
    local, (first, last) = now.astimezone(zone).time(), hours
    return first <= local < last if first < last else local >= first or local < last


def _incident(event: Event, name: str, what: str, body: str, *, urgent: bool = False) -> Incident:
    use_case = str(getattr(event, "use_case", ""))
    return Incident(f"{use_case}:{name}", use_case, _title(use_case, what), body, urgent)


def _title(use_case: str, what: str) -> str:
    return f"{plain(use_case)}: {what}"
