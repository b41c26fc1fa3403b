"""All SQL of notifications: an incident is told once to each target, and stays until it was sent or given up."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from services.console.incidents import Incident, broken_limit, limits_of
from services.console.tables import IncidentRow, NoticeRow
from shared.events import KpiReported
from shared.spine.db import insert_or


class NoticeStore:
    """Notices by incident and target."""

    def __init__(self, session: AsyncSession, targets: Sequence[str]) -> None:
        self._session, self._targets = session, targets

    async def tell(self, incident: Incident, at: datetime) -> None:
        """One notice for each target; an incident that was told before is not told again."""
        fields = {"use_case": incident.use_case, "at": at, "urgent": incident.urgent, "title": incident.title,
                  "body": incident.body, "state": "waiting", "attempts": 0}  # fmt: skip
        for target in self._targets:
            row = insert_or(self._session, NoticeRow).values(incident=incident.name[:300], target=target, **fields)
            await self._session.execute(row.on_conflict_do_nothing())

    async def follow_limits(self, report: KpiReported) -> list[Incident]:
        """The incidents that begin with this account; one that goes on, or is over, is only written down."""
        broken, begun = limits_of(report), []
        for kind, words in broken.items():
            row = await self._session.get(IncidentRow, (report.use_case, kind))
            if row is None:
                row = IncidentRow(use_case=report.use_case, kind=kind, since="", last="", open=False)
                self._session.add(row)
            # What is told anew of a day long gone is no news.
            if report.block > row.last:
                if not row.open:
                    begun.append(broken_limit(report, kind, words))
                    row.since = report.block
                row.last, row.open = report.block, True
        if report.mature:
            await self._close(report, set(broken))
        return begun

    async def list_waiting(self) -> list[NoticeRow]:
        """What is to be sent, urgent ones first."""
        query = select(NoticeRow).where(NoticeRow.state == "waiting", NoticeRow.target.in_(self._targets))
        return list(await self._session.scalars(query.order_by(NoticeRow.urgent.desc(), NoticeRow.at,
                                                               NoticeRow.incident)))  # fmt: skip

    async def count_waiting(self) -> int:
        """How many wait, for whatever reason."""
        query = select(func.count()).select_from(NoticeRow).where(NoticeRow.state == "waiting")
        return await self._session.scalar(query) or 0

    async def settle(self, incident: str, target: str, *, sent: bool, attempts_at_most: int) -> str:
        """Write down how a send ended; returns the state: sent, waiting or given_up."""
        row = await self._session.get_one(NoticeRow, (incident, target))
        row.attempts += 1
        row.state = "sent" if sent else "given_up" if row.attempts >= attempts_at_most else "waiting"
        return row.state

    async def _close(self, report: KpiReported, broken: set[str]) -> None:
        query = select(IncidentRow).where(IncidentRow.use_case == report.use_case, IncidentRow.open)
        for row in await self._session.scalars(query):
            if row.kind not in broken and report.block > row.last:
                row.open = False
