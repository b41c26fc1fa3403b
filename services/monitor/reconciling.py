"""The clock step that counts a reported block once more, from the table: money that does not add up is told at once."""

import asyncio
import datetime as dt
import logging
from collections.abc import Sequence
from functools import partial

from services.monitor.changes import Look
from services.monitor.closing import Closing
from services.monitor.metrics import MONITOR_UNRECONCILED_BLOCKS
from services.monitor.store import BlockStore, LookStore
from services.monitor.tables import BlockRow
from shared.spine.db import Database
from shared.spine.in_turn import in_turn

log = logging.getLogger(__name__)
_EVERY = dt.timedelta(days=1)
_COMPARED = ("volume", "labelled", "cost_minor", "cost_without_model_minor", "value_minor")


class Reconciling:
    """Once a day of event time, the newest reported block of each use case."""

    def __init__(self, db: Database, closing: Closing) -> None:
        self._db, self._closing = db, closing
        self._looked: dt.datetime | None = None

    async def step(self, now: dt.datetime) -> None:
        """Count, unless the last count is too near."""
        if self._looked is not None and now - self._looked < _EVERY:
            return
        async with self._db.read() as session:
            look = await LookStore(session).get()
            store = BlockStore(session)
            blocks = {
                use_case: [row for row in await store.list_of_block(use_case, block) if row.report and not row.stale]
                for use_case, block in (await store.list_last()).items()
            }
        if (at := look.at) is None:
            return
        self._looked = now
        # As it was known when changes were last looked for: what came since is reported by the next step.
        await in_turn((name, partial(self._count, name, rows, look, at)) for name, rows in blocks.items())

    async def _count(self, use_case: str, rows: Sequence[BlockRow], look: Look, at: dt.datetime) -> None:
        again = await asyncio.to_thread(self._closing.judge_again, use_case, rows, look.versions, at)
        wrong = [row for row, numbers in zip(rows, again, strict=True) if _differ(row, numbers)]
        MONITOR_UNRECONCILED_BLOCKS.labels(use_case).set(len(wrong))
        for row in wrong:
            said = {"use_case": use_case, "block": row.block, "release": row.release_sequence}
            log.error("a report does not add up with the table", extra=said)


def _differ(row: BlockRow, numbers: dict[str, object]) -> bool:
    return row.report is not None and any(row.report[name] != numbers[name] for name in _COMPARED)
