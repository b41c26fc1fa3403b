"""Reads what a page is made of from the database, and has it made off the event loop."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

from services.console.facts import Facts, Period, facts_of, known_by
from services.console.store import EventStore, ReportStore
from shared.spine.db import Database
from shared.spine.errors import PermanentError


class NothingKnownError(PermanentError):
    """There is nothing to report on; the message says why."""


class Pages:
    """The pages of one console."""

    def __init__(self, db: Database, location: str) -> None:
        self._db, self._location = db, location

    async def report(self, use_case: str, now: datetime, first: str | None = None, last: str | None = None) -> str:
        """The sponsor's page of a period, by default of everything so far; raises NothingKnownError."""
        async with self._db.read() as session:
            events = await EventStore(session).list_events(use_case)
            published = await ReportStore(session).list_published(use_case)
        facts = facts_of(use_case, now, known_by(events, now))
        earlier = [
            {"first": one, "last": other, "page": f"/use_cases/{use_case}/reports/{one}..{other}"}
            for one, other, _ in published[:12]
        ]
        period = period_of(facts, first, last)
        return await make_report(self._location, facts, period, earlier)

    async def portfolio(self, now: datetime, overdue_after: timedelta) -> str:
        """Every use case as it stands at `now`."""
        async with self._db.read() as session:
            names = await EventStore(session).list_use_cases()
            events = known_by(await EventStore(session).list_events(), now)
            published = {name: await ReportStore(session).list_published(name) for name in names}
        went_out = {name: frozenset((first, last) for first, last, _ in rows) for name, rows in published.items()}
        return await asyncio.to_thread(_portfolio, events, now, went_out, overdue_after)


async def make_report(location: str, facts: Facts, period: Period, earlier: list[dict[str, str]]) -> str:
    """The page of a period, from the tables as they are now."""
    return await asyncio.to_thread(_report, location, facts, period, earlier)


# What makes pages is heavy (polars, Delta, templates), and a console that starts beside others shows none yet.
def _report(*given: Any) -> str:
    from services.console.making import render

    return render(*given)


def _portfolio(*given: Any) -> str:
    from services.console.making import render_portfolio

    return render_portfolio(*given)


def period_of(facts: Facts, first: str | None, last: str | None) -> Period:
    """The days asked for, within what is known; raises NothingKnownError."""
    if not facts.contracts:
        raise NothingKnownError(f"there is no use case {facts.use_case}: apply its contract first")
    known = facts.all_blocks()
    if known is None and (first is None or last is None):
        raise NothingKnownError(f"{facts.use_case} has no account of any day yet: no report before the first")
    period = Period(first or (known.first if known else ""), last or (known.last if known else ""))
    if period.first > period.last:
        raise NothingKnownError(f"the period begins on {period.first} and ends on {period.last}, which is before it")
    return period
