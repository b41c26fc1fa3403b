"""The SQL of technical evidence: what workers say about releases, requests that failed, rollbacks asked for."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from itertools import groupby

from sqlalchemy import ColumnElement, delete, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from services.monitor.requests import Failure
from services.monitor.tables import ActivationRow, FailureRow, TechnicalAskRow
from shared.events import ActivationReported, PredictionServed, RollbackRequested
from shared.feedback.rows import Placed
from shared.spine.db import insert_or

# Bounds for a storm of errors: per release and UTC day (one write may go past it), and in days before and after now.
MOST_A_DAY = 20_000
KEPT = timedelta(days=40)


class ActivationStore:
    """What serving workers said."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, event: ActivationReported) -> None:
        """Keep a worker's word: its first refusal of a release, its first activation."""
        # A worker's name holds its process: those of earlier releases may be long gone, so they are not kept.
        old = (ActivationRow.use_case == event.use_case, ActivationRow.sequence < event.sequence - 1)
        await self._session.execute(delete(ActivationRow).where(*old))
        key = (event.use_case, event.sequence, event.replica, event.worker, event.status)
        if await self._session.get(ActivationRow, key) is None:
            fields = event.model_dump(include={"use_case", "sequence", "replica", "worker", "status"})
            self._session.add(ActivationRow(**fields, reported_at=event.time, event=event.model_dump_json()))

    async def list_of_release(self, use_case: str, sequence: int, before: datetime) -> list[ActivationReported]:
        """Everything said about a release before an event time."""
        query = select(ActivationRow.event).where(
            ActivationRow.use_case == use_case, ActivationRow.sequence == sequence, ActivationRow.reported_at < before
        )
        return [ActivationReported.model_validate_json(event) for event in await self._session.scalars(query)]


class FailureStore:
    """Requests that failed; the same one again, from a retry or from Kafka, changes nothing."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, failed: Sequence[Placed[PredictionServed]]) -> None:
        """Keep these requests, as long as their release has not failed too many on that day."""
        for (use_case, sequence, day), events in groupby(sorted(failed, key=_counted), key=_counted):
            if await self._count(use_case, sequence, day) >= MOST_A_DAY:
                continue
            rows = [
                {
                    "use_case": use_case,
                    "release_sequence": sequence,
                    "request_id": placed.event.request_id,
                    "failed_at": placed.event.time,
                    "kafka_partition": placed.partition,
                    "kafka_offset": placed.offset,
                }
                for placed in events
            ]
            statement = insert_or(self._session, FailureRow).on_conflict_do_nothing()
            await self._session.execute(statement, rows[:MOST_A_DAY])

    async def get_last(self, use_case: str, sequence: int, before: datetime) -> datetime | None:
        """When the newest failure of a release was, before an event time."""
        return await self._session.scalar(
            select(func.max(FailureRow.failed_at)).where(
                FailureRow.use_case == use_case,
                FailureRow.release_sequence == sequence,
                FailureRow.failed_at < before,
            )
        )

    async def list_between(self, use_case: str, sequence: int, start: datetime, end: datetime) -> list[Failure]:
        """What a release failed from `start` until before `end`."""
        query = select(FailureRow.request_id, FailureRow.kafka_partition, FailureRow.kafka_offset)
        rows = await self._session.execute(query.where(*_of(use_case, sequence, start, end)))
        return [Failure(*row) for row in rows]

    async def has_far(self, now: datetime) -> bool:
        """Whether there is anything to forget: most steps need not write."""
        return await self._session.scalar(select(FailureRow.request_id).where(_far(now)).limit(1)) is not None

    async def forget(self, now: datetime) -> None:
        """Drop what is too far from now to say anything about it."""
        await self._session.execute(delete(FailureRow).where(_far(now)))

    async def _count(self, use_case: str, sequence: int, day: date) -> int:
        start = datetime.combine(day, time(), UTC)
        that_day = _of(use_case, sequence, start, start + timedelta(days=1))
        return await self._session.scalar(select(func.count()).select_from(FailureRow).where(*that_day)) or 0


class TechnicalAskStore:
    """Rollbacks that were asked for on technical evidence."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def get_last(self, use_case: str, sequence: int, kpi: str) -> datetime | None:
        """When a release was last asked back because of this KPI."""
        asked = select(func.max(TechnicalAskRow.asked_at)).filter_by(use_case=use_case, release_sequence=sequence)
        return await self._session.scalar(asked.where(TechnicalAskRow.kpi == kpi))

    async def add(self, event: RollbackRequested) -> None:
        """Remember a request."""
        fields = event.model_dump(include={"use_case", "release_sequence", "kpi"})
        self._session.add(TechnicalAskRow(**fields, asked_at=event.time, event_id=event.id))


def _counted(placed: Placed[PredictionServed]) -> tuple[str, int, date]:
    return placed.event.use_case, placed.event.release_sequence, placed.event.time.date()


def _far(now: datetime) -> ColumnElement[bool]:
    return or_(FailureRow.failed_at < now - KEPT, FailureRow.failed_at > now + KEPT)


def _of(use_case: str, sequence: int, start: datetime, end: datetime) -> tuple[ColumnElement[bool], ...]:
    return (
        FailureRow.use_case == use_case,
        FailureRow.release_sequence == sequence,
        FailureRow.failed_at >= start,
        FailureRow.failed_at < end,
    )
