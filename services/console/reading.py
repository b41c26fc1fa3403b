"""Makes pages: reads the kept events and the tables at one version, asks, renders. Off the event loop."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import partial

from services.console.facts import Facts, Period, facts_of
from services.console.figures import Asker
from services.console.pages import Line, portfolio_page, sponsor_page
from services.console.queries import Queries
from services.console.report import Report, build
from services.console.states import Standing, standing
from services.console.store import EventStore, ReportStore
from services.console.views import frames_of, known_by
from services.console.words import count, money
from shared.events import Event
from shared.feedback.joined import Versions, joined, table_versions
from shared.spine.db import Database
from shared.spine.errors import PermanentError

# All that a report asks of a row, besides its outcome.
COLUMNS = ("use_case", "decision", "reason", "contract_digest", "release_sequence")


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
        return await asyncio.to_thread(render, self._location, facts, period, earlier)

    async def portfolio(self, now: datetime, overdue_after: timedelta) -> str:
        """Every use case as it stands at `now`."""
        async with self._db.read() as session:
            names = await EventStore(session).list_use_cases()
            events = known_by(await EventStore(session).list_events(), now)
            published = {name: await ReportStore(session).list_published(name) for name in names}
        went_out = {name: frozenset((first, last) for first, last, _ in rows) for name, rows in published.items()}
        return await asyncio.to_thread(render_portfolio, events, now, went_out, overdue_after)


def render_portfolio(
    events: list[Event], now: datetime, published: Mapping[str, frozenset[tuple[str, str]]], overdue_after: timedelta
) -> str:
    """Ask and write the page; blocking. Use cases whose contract came after `now` are not there yet."""
    asker = Asker({name: frame.lazy() for name, frame in frames_of(events).items()}, now.astimezone(UTC))
    lines = []
    for name in sorted(published):
        facts = facts_of(name, now, events)
        if facts.contracts:
            lines.append(_line(facts, standing(facts, published[name], overdue_after), asker))
    return portfolio_page(lines, asker)


def _line(facts: Facts, found: Standing, asker: Asker) -> Line:
    if not any(report.mature and report.labelled for report in facts.reports):
        return Line(facts.use_case, found, None, None)
    contract = facts.contract
    queries = Queries(facts.use_case, Period("", ""), {contract.digest: contract})
    in_money = partial(money, digits=contract.digits, currency=contract.currency)
    words = f"{facts.use_case.replace('_', ' ')}, last days that can be judged"
    value = asker.one(f"{words}: saved", queries.judged("sum(value_minor)"), in_money)
    return Line(
        facts.use_case, found, value, asker.one(f"{words}: days", queries.judged("count(distinct block)"), count)
    )


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


def render(location: str, facts: Facts, period: Period, earlier: list[dict[str, str]]) -> str:
    """Ask and write the page; blocking."""
    report, asker, versions = ask(location, facts, period)
    return sponsor_page(report, asker, versions, earlier)


def ask(location: str, facts: Facts, period: Period) -> tuple[Report, Asker, Versions]:
    """The report with everything that was asked for it; blocking."""
    versions = table_versions(location)
    # A query names its time in microseconds, and in UTC.
    as_of = facts.now.astimezone(UTC)
    rows = joined(location, facts.use_case, as_of, version=versions, columns=COLUMNS)
    frames = {name: frame.lazy() for name, frame in frames_of(facts.events).items()}
    asker = Asker({**frames, "joined": rows.lazy()}, as_of)
    return build(facts, period, asker), asker, versions
