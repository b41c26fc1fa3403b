"""All SQL of the console, notices aside."""

import json
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from services.console.tables import EventRow, ReportRow
from shared.events import CATALOGUE, Event


class EventStore:
    """Events by use case, in the order in which they came."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, event: Event) -> None:
        """Keep the whole event."""
        use_case = str(getattr(event, "use_case", ""))
        document = event.model_dump(mode="json")
        row = EventRow(id=event.id, topic=event.topic, use_case=use_case, at=event.time, document=document)
        self._session.add(row)

    async def list_use_cases(self) -> list[str]:
        """Those whose contract was applied, by name."""
        query = select(EventRow.use_case).where(EventRow.topic == "use_case_applied").distinct()
        return sorted(await self._session.scalars(query))

    async def list_contracts(self, use_case: str) -> list[Event]:
        """Every `use_case_applied` of a use case, oldest first."""
        return await self.list_events(use_case, topics=("use_case_applied",))

    async def list_terms(self, use_case: str) -> list[Event]:
        """Contracts and releases, oldest first: what is expected of a use case."""
        return await self.list_events(use_case, topics=("use_case_applied", "model_released"))

    async def list_ends(self, use_case: str, before: datetime) -> list[Event]:
        """An account of the first and of the last block, of event time < `before`: what is due, and what is silent.

        The last that was told may correct a day long gone.
        """
        query = select(EventRow.topic, EventRow.document).where(
            EventRow.use_case == use_case, EventRow.topic == "kpi_reported", EventRow.at < before
        )
        block = EventRow.document["block"].as_string()
        found = []
        for order in (block, block.desc()):
            found += [read(topic, document) for topic, document in
                      await self._session.execute(query.order_by(order).limit(1))]  # fmt: skip
        return found

    async def list_events(
        self, use_case: str | None = None, before: datetime | None = None, topics: Sequence[str] | None = None
    ) -> list[Event]:
        """All of a use case (or of all), of event time < `before`, sorted by (event time, arrival)."""
        query = select(EventRow.topic, EventRow.document).order_by(EventRow.at, EventRow.number)
        if use_case is not None:
            query = query.where(EventRow.use_case == use_case)
        if topics is not None:
            query = query.where(EventRow.topic.in_(topics))
        if before is not None:
            query = query.where(EventRow.at < before)
        return [read(topic, document) for topic, document in await self._session.execute(query)]


class ReportStore:
    """Reports as they went out."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, row: ReportRow) -> None:
        """Keep the page."""
        self._session.add(row)

    async def get_page(self, use_case: str, first: str, last: str) -> str | None:
        """The page of a period, or None."""
        row = await self._session.get(ReportRow, (use_case, first, last))
        return row.html if row else None

    async def list_published(self, use_case: str) -> Sequence[tuple[str, str, datetime]]:
        """(first block, last block, when) of a use case, the newest first."""
        columns = (ReportRow.first_block, ReportRow.last_block, ReportRow.published_at)
        query = select(*columns).where(ReportRow.use_case == use_case).order_by(ReportRow.last_block.desc())
        return [(first, last, at) for first, last, at in await self._session.execute(query)]


def read(topic: str, document: dict[str, object]) -> Event:
    """An event as it was kept."""
    # Strict fields take times from JSON, not from Python text.
    return CATALOGUE[topic].model_validate_json(json.dumps(document))
