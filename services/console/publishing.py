"""At a step of the clock: reports that are due go out, and what is overdue or silent is told."""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial

from services.console.facts import Facts, facts_of
from services.console.incidents import overdue_report, report_is_out, silent
from services.console.metrics import CONSOLE_REPORTS_OVERDUE, CONSOLE_REPORTS_TOTAL
from services.console.notices import NoticeStore
from services.console.reading import make_report
from services.console.schedule import Due, due, ready
from services.console.states import is_silent, overdue
from services.console.store import EventStore, ReportStore
from services.console.tables import ReportRow
from services.console.words import money
from shared.events import ReportPublished, derived_id
from shared.spine.db import Database
from shared.spine.error_policy import kind_of
from shared.spine.in_turn import in_turn
from shared.spine.outbox import add_to_outbox

log = logging.getLogger(__name__)
# On the wall clock a step comes every few seconds, and reports are of days.
_LOOK = timedelta(minutes=1)


class Publishing:
    """Decides over everything of earlier event time, so that the same history gives the same reports."""

    def __init__(self, db: Database, location: str, targets: Sequence[str], overdue_after: timedelta) -> None:
        self._db, self._location, self._targets = db, location, targets
        self._overdue_after = overdue_after
        self._looked: datetime | None = None

    async def step(self, now: datetime) -> None:
        """One look at every use case."""
        if self._looked is not None and timedelta(0) <= now - self._looked < _LOOK:
            return
        async with self._db.read() as session:
            names = await EventStore(session).list_use_cases()
        await in_turn((name, partial(self._look, name, now)) for name in names)
        self._looked = now

    async def _look(self, use_case: str, now: datetime) -> None:
        async with self._db.read() as session:
            events = EventStore(session)
            known = [*await events.list_terms(use_case), *await events.list_ends(use_case, now)]
            published = await ReportStore(session).list_published(use_case)
        facts = facts_of(use_case, now, [event for event in known if event.time < now])
        if not facts.contracts:
            return
        out = {(first, last) for first, last, _ in published}
        missing = [one for one in due(facts, now) if (one.period.first, one.period.last) not in out]
        if missing:
            async with self._db.read() as session:
                facts = facts_of(use_case, now, await EventStore(session).list_events(use_case, before=now))
            for one in missing:
                if ready(facts, one) and await self._published(facts, one):
                    out.add((one.period.first, one.period.last))
        await self._tell(facts, frozenset(out), now)

    async def _published(self, facts: Facts, one: Due) -> bool:
        """Whether it went out. One that cannot be made holds up no other; it is tried again, and overdue in the end."""
        try:
            await self._publish(facts, one)
        except Exception as error:
            if kind_of(error) == "transient":
                raise
            log.exception("a report cannot be made", extra={"use_case": facts.use_case, "last": one.period.last})
            return False
        return True

    async def _publish(self, facts: Facts, one: Due) -> None:
        page = f"/use_cases/{facts.use_case}/reports/{one.period.first}..{one.period.last}"
        # Slow, and before the transaction.
        html = await make_report(self._location, facts, one.period, [])
        event = published_event(facts, one, page)
        saved = money(event.value_minor, facts.counted_by(one.period).digits, event.currency)
        async with self._db.transaction() as session:
            store = ReportStore(session)
            if await store.get_page(facts.use_case, one.period.first, one.period.last) is not None:
                return
            await store.add(
                ReportRow(
                    use_case=facts.use_case,
                    first_block=one.period.first,
                    last_block=one.period.last,
                    published_at=facts.now,
                    html=html,
                )
            )
            told = report_is_out(facts.use_case, one.period.first, one.period.last, saved, page)
            await NoticeStore(session, self._targets).tell(told, facts.now)
            add_to_outbox(session, event)
        CONSOLE_REPORTS_TOTAL.labels(facts.use_case).inc()

    async def _tell(self, facts: Facts, published: frozenset[tuple[str, str]], now: datetime) -> None:
        late = overdue(facts, published, self._overdue_after)
        CONSOLE_REPORTS_OVERDUE.labels(facts.use_case).set(len(late))
        incidents = [overdue_report(facts.use_case, last) for last in late[-1:]]
        if is_silent(facts):
            incidents.append(silent(facts.use_case, facts.reports[-1].block))
        if incidents and self._targets:
            async with self._db.transaction() as session:
                for incident in incidents:
                    await NoticeStore(session, self._targets).tell(incident, now)


def published_event(facts: Facts, one: Due, page: str) -> ReportPublished:
    """The event: one for each use case and period, with an id that follows from them."""
    contracts = facts.contracts_in(one.period)
    reports = [report for report in facts.within(one.period) if report.contract_digest in contracts]
    name = derived_id("report_published", facts.use_case, one.period.first, one.period.last)
    return ReportPublished.begin(
        source="console",
        time=facts.now,
        id=name,
        use_case=facts.use_case,
        first_block=one.period.first,
        last_block=one.period.last,
        every=one.every,
        contract_digest=facts.contract.digest,
        page=page,
        volume=sum(report.volume for report in reports),
        labelled=sum(report.labelled for report in reports),
        currency=facts.counted_by(one.period).currency,
        cost_minor=sum(report.cost_minor for report in reports),
        cost_without_model_minor=sum(report.cost_without_model_minor for report in reports),
        value_minor=sum(report.value_minor for report in reports),
        incidents=sum(len(report.incidents) for report in reports),
        selected=facts.contract.label.selected,
    )
