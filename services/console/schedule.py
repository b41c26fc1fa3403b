"""PURE: which reports are due: the whole days, weeks or months of a use case that reports by itself."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal

from services.console.facts import Facts, Period
from shared.contract.capacity import block_bounds
from shared.events import ModelReleased, UseCaseApplied

Every = Literal["day", "week", "month"]
# However late a use case begins to report by itself, so many reports at most are made at once.
_MOST = 60


@dataclass(frozen=True)
class Due:
    """A period whose report should go out at `at`, when the outcomes of its last day can be judged."""

    period: Period
    at: datetime
    every: Every


def period_around(day: date, every: Every) -> Period:
    """The whole day, week (from Monday) or month that holds a day.

    >>> period_around(date(2013, 3, 6), "week"), period_around(date(2013, 2, 6), "month").last
    (Period(first='2013-03-04', last='2013-03-10'), '2013-02-28')
    """
    match every:
        case "day":
            first = last = day
        case "week":
            first = day - timedelta(days=day.weekday())
            last = first + timedelta(days=6)
        case "month":
            first = day.replace(day=1)
            last = (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
    return Period(first.isoformat(), last.isoformat())


def due(facts: Facts, now: datetime) -> list[Due]:
    """Every report that is due before `now`, the oldest first; none where the contract says nothing of reports.

    The first period is the one that holds the day from which the contract wants reports, or that of the first account
    where this comes later; before a model decides there is nothing to report on.
    """
    begun = _begun(facts)
    if facts.contract.reporting is None or begun is None:
        return []
    every = facts.contract.reporting.every
    first = max(_wanted_since(facts), begun)
    return [one for one in _periods(facts, first, every, now) if one.at < now][-_MOST:]


def _begun(facts: Facts) -> date | None:
    """The day of the first account; until there is one, that of the first release."""
    releases = facts.of(ModelReleased)
    if known := facts.all_blocks():
        return date.fromisoformat(known.first)
    return date.fromisoformat(facts.day_of(releases[0].time)) if releases else None


def _wanted_since(facts: Facts) -> date:
    since: UseCaseApplied | None = None
    for event in facts.of(UseCaseApplied):
        wants = facts.contracts[event.contract_digest].reporting is not None
        since = (since or event) if wants else None
    assert since is not None
    return date.fromisoformat(facts.day_of(since.time))


def _periods(facts: Facts, first: date, every: Every, now: datetime) -> Iterator[Due]:
    contract, today = facts.contract, date.fromisoformat(facts.day_of(now))
    while first <= today:
        period = period_around(first, every)
        end = block_bounds(contract, period.last)[1]
        yield Due(period, contract.label.mature_after.after(end), every)
        first = date.fromisoformat(period.last) + timedelta(days=1)


def ready(facts: Facts, one: Due) -> bool:
    """Whether every account of the period has come and can be judged: silence is never a report."""
    reports = facts.within(one.period)
    return bool(reports) and all(report.mature for report in reports)
