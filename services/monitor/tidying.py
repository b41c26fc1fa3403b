"""The clock step that keeps the feedback tables small to read, after everything else and never in its way."""

import asyncio
import datetime as dt
import logging

from deltalake.exceptions import DeltaError

from services.monitor import metrics
from services.monitor.settings import MonitorSettings
from services.monitor.store import Contracts
from shared.feedback.schema import TOPICS
from shared.feedback.table import FeedbackTable
from shared.feedback.upkeep import compact, forget, vacuum
from shared.spine.clock import monotonic

log = logging.getLogger(__name__)
_DAY_SECONDS = 86_400.0
_DAY = dt.timedelta(days=1)


def kept_from(now: dt.datetime, keep_days: int | None, contracts: Contracts) -> dt.date | None:
    """The first UTC day that is kept; None where all are. What a label may still change is never given up."""
    if keep_days is None:
        return None
    slowest = max(contracts.lookback().values(), default=dt.timedelta())
    return (now.astimezone(dt.UTC) - max(dt.timedelta(days=keep_days), slowest + 2 * _DAY)).date()


def is_whole(block: str, first: dt.date | None) -> bool:
    """Whether all rows of a block are kept, given the first day that is: a local day touches its neighbours in UTC."""
    return first is None or dt.date.fromisoformat(block) - _DAY >= first


class Tidying:
    """Joins, drops and deletes; whatever fails is tried again at the next look, for nothing waits for it."""

    def __init__(self, settings: MonitorSettings, contracts: Contracts) -> None:
        self._settings, self._contracts = settings, contracts
        self._tables = [FeedbackTable(settings.feedback_location, name) for name in TOPICS]
        self._looked: dt.datetime | None = None
        self._vacuumed: float | None = None

    async def step(self, now: dt.datetime) -> None:
        """Look, unless the last look is too near; the same step again finds nothing to do."""
        pause = dt.timedelta(seconds=self._settings.monitor_tidy_seconds)
        if self._looked is not None and now - self._looked < pause:
            return
        self._looked = now
        try:
            await asyncio.to_thread(self._tidy, now)
        except (DeltaError, OSError) as error:
            log.warning("the tables are tidied later", extra={"why": repr(error)[:300]})

    def _tidy(self, now: dt.datetime) -> None:
        first = kept_from(now, self._settings.monitor_keep_days, self._contracts)
        sweeps = self._vacuumed is None or monotonic() - self._vacuumed >= _DAY_SECONDS
        for table in self._tables:
            if first is not None and forget(table, first):
                log.info("old days are dropped", extra={"table": table.name, "before": first.isoformat()})
            joined = compact(table, self._settings.monitor_compact_files)
            deleted = vacuum(table, self._settings.monitor_vacuum_hours) if sweeps else 0
            metrics.MONITOR_PARTITIONS_JOINED_TOTAL.labels(table.name).inc(joined)
            metrics.MONITOR_FILES_DELETED_TOTAL.labels(table.name).inc(deleted)
        self._vacuumed = monotonic() if sweeps else self._vacuumed
