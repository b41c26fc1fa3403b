"""Makes pages from facts and tables: asks for every number, then renders; blocking."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import partial

from services.console.facts import Facts, Period, facts_of
from services.console.figures import Asker
from services.console.pages import Line, portfolio_page, sponsor_page
from services.console.queries import Queries
from services.console.report import Report, build
from services.console.states import Standing, standing
from services.console.views import frames_of
from services.console.words import count, money
from shared.events import Event
from shared.feedback.joined import Versions, joined, table_versions

# All that a report asks of a row, besides its outcome.
COLUMNS = ("use_case", "decision", "reason", "arm", "contract_digest", "release_sequence")


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
    contracts = facts.in_money_of(facts.contract)
    judged = [report for report in facts.reports if report.mature and report.contract_digest in contracts]
    if not any(report.labelled for report in judged):
        return Line(facts.use_case, found, None, None)
    contract = facts.contract
    queries = Queries(facts.use_case, Period("", ""), contracts, only=len(contracts) < len(facts.contracts))
    in_money = partial(money, digits=contract.digits, currency=contract.currency)
    words = f"{facts.use_case.replace('_', ' ')}, last days that can be judged"
    value = asker.one(f"{words}: saved", queries.judged("sum(value_minor)"), in_money)
    return Line(
        facts.use_case, found, value, asker.one(f"{words}: days", queries.judged("count(distinct block)"), count)
    )
