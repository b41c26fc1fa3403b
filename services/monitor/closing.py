"""The clock step that closes blocks: find what changed, judge it from a pinned table version, report it once."""

import asyncio
import datetime as dt
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

import polars as pl

from services.monitor import metrics
from services.monitor.blocks import BlockReport, report_block, transitions
from services.monitor.changes import find_changes
from services.monitor.store import BlockStore, Contracts, LookStore
from services.monitor.tables import BlockRow
from services.monitor.tidying import is_whole, kept_from
from shared.contract.schema import Contract
from shared.events import KpiReported, derived_id
from shared.feedback.joined import Versions, joined, table_versions
from shared.spine.clock import monotonic
from shared.spine.db import Database
from shared.spine.outbox import add_to_outbox

log = logging.getLogger(__name__)
SOURCE = "headrace/monitor"
_READ = ["release_sequence", "decision", "reason", "scores", "flagged", "arm"]
# So many blocks are read and reported in one go: a bound for memory when a long silence ends.
_AT_ONCE = 31


@dataclass(frozen=True)
class Judged:
    """A block's report, and when time alone changes it next."""

    row: BlockRow
    report: BlockReport
    due_at: dt.datetime | None


class Closing:
    """Closes the blocks of all use cases."""

    def __init__(self, db: Database, location: str | Path, contracts: Contracts, keep_days: int | None = None) -> None:
        self._db, self._location, self._contracts, self._keep_days = db, location, contracts, keep_days

    async def step(self, now: dt.datetime) -> None:
        """Report every ended block whose numbers changed; the same step again finds nothing to do."""
        began = monotonic()
        await self._contracts.load(self._db)
        versions = await self._mark(now)
        due = await self._due(now)
        for use_case, rows in groupby(due, key=lambda row: row.use_case):
            pending = list(rows)
            for first in range(0, len(pending), _AT_ONCE):
                part = pending[first : first + _AT_ONCE]
                judged = await asyncio.to_thread(self._judge, use_case, part, versions, now)
                await self._report(judged, now)
        async with self._db.transaction() as session:
            await LookStore(session).set_closed_at(now)
        metrics.MONITOR_STEP_SECONDS.observe(monotonic() - began)

    async def _mark(self, now: dt.datetime) -> Versions:
        """Remember which blocks the new rows touch, together with how far the tables were looked at."""
        async with self._db.read() as session:
            last = await LookStore(session).get()
        versions = await asyncio.to_thread(table_versions, self._location)
        lookback = self._contracts.lookback()
        changes = await asyncio.to_thread(find_changes, self._location, last, versions, now, lookback)
        async with self._db.transaction() as session:
            await BlockStore(session).mark(changes)
            await LookStore(session).set(changes.look)
        return versions

    async def _due(self, now: dt.datetime) -> list[BlockRow]:
        async with self._db.transaction() as session:
            for row in await BlockStore(session).list_undated():
                if contract := self._contracts.get(row.contract_digest):
                    row.ends_at = transitions(contract, row.block)[0]
            await session.flush()
            first = kept_from(now, self._keep_days, self._contracts)
            # What was reported of a block stands when its rows are gone: half of them must not correct it.
            return [row for row in await BlockStore(session).list_due(now) if is_whole(row.block, first)]

    def _judge(self, use_case: str, rows: Sequence[BlockRow], versions: Versions, now: dt.datetime) -> list[Judged]:
        blocks = {row.block for row in rows}
        frame = joined(self._location, use_case, now, blocks, versions, _READ)
        judged = []
        for row in rows:
            contract = self._contracts.get(row.contract_digest)
            assert contract is not None, "a block without a contract is never due"
            of_row = (pl.col("block") == row.block) & (pl.col("release_sequence") == row.release_sequence)
            report = report_block(frame.filter(of_row), contract, row.block, now)
            if row.judged is not None and report.status == "closed":
                # Rows came late to a block that was judged early: it does not become unjudged.
                report = replace(report, status="judged", mature=True)
            judged.append(Judged(row, report, _due_at(contract, row.block, report)))
        return judged

    async def _report(self, judged: Sequence[Judged], now: dt.datetime) -> None:
        """State and event commit together; numbers that did not change are not told again."""
        async with self._db.transaction() as session:
            for one in judged:
                key = (one.row.use_case, one.row.block, one.row.release_sequence)
                row = await BlockStore(session).get(*key)
                assert row is not None
                row.stale, row.due_at = False, one.due_at
                numbers = one.report.as_dict()
                if numbers == row.report:
                    continue
                event = _event(row, one.report, now)
                row.revision, row.event_id, row.report = event.revision, event.id, numbers
                if one.report.mature and row.judged is None:
                    row.judged, row.judged_at = numbers, now
                add_to_outbox(session, event)
                metrics.MONITOR_REPORTS_TOTAL.labels(row.use_case, event.status).inc()
                metrics.MONITOR_BLOCK_COVERAGE_RATIO.labels(row.use_case).set(event.coverage)


def _due_at(contract: Contract, block: str, report: BlockReport) -> dt.datetime | None:
    _, mature, give_up = transitions(contract, block)
    if report.status == "closed":
        return mature
    return max(mature, give_up) if report.awaiting else None


def _event(row: BlockRow, report: BlockReport, now: dt.datetime) -> KpiReported:
    revision = row.revision + 1
    return KpiReported.begin(
        id=derived_id("kpi_reported", row.use_case, row.block, str(row.release_sequence), str(revision)),
        source=SOURCE,
        time=now,
        use_case=row.use_case,
        block=row.block,
        release_sequence=row.release_sequence,
        package_digest=row.package_digest,
        behaviour_digest=row.behaviour_digest,
        contract_digest=row.contract_digest,
        revision=revision,
        replaces=row.event_id,
        **report.as_dict(),
    )
