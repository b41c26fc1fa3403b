"""The clock step that closes blocks: find what changed, judge it from a pinned table version, report it once."""

import asyncio
import datetime as dt
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

import polars as pl

from services.monitor import metrics
from services.monitor.baseline import Baselines
from services.monitor.blocks import BlockReport, report_block, transitions
from services.monitor.capacity import CapacityStore
from services.monitor.changes import find_changes
from services.monitor.measured_store import MeasurementStore
from services.monitor.measuring import Told, told_of
from services.monitor.store import BlockStore, Contracts, LookStore
from services.monitor.tables import BlockRow
from services.monitor.tidying import is_whole, kept_from
from shared.contract.schema import Contract
from shared.events import CapacityWord, KpiReported, derived_id
from shared.feedback.joined import Versions, joined, table_versions
from shared.spine.clock import monotonic
from shared.spine.db import Database
from shared.spine.in_turn import in_turn
from shared.spine.outbox import add_to_outbox

log = logging.getLogger(__name__)
SOURCE = "headrace/monitor"
_READ = ["release_sequence", "decision", "reason", "scores", "flagged", "arm"]
# So many blocks are read and reported in one go: a bound for memory when a long silence ends.
_AT_ONCE = 31
# On the wall clock outcomes are matched with decisions for a twentieth of the time at most: on a busy day there are
# many of both, and what waits is the correction of a report.
_PAUSE = 19.0


@dataclass(frozen=True)
class Judged:
    """A block's report, and when time alone changes it next."""

    row: BlockRow
    report: BlockReport
    due_at: dt.datetime | None


class Closing:
    """Closes the blocks of all use cases."""

    def __init__(
        self,
        db: Database,
        location: str | Path,
        contracts: Contracts,
        keep_days: int | None = None,
        baselines: Baselines | None = None,
        *,
        patient: bool = False,
    ) -> None:
        self._db, self._location, self._contracts, self._keep_days = db, location, contracts, keep_days
        self._baselines = baselines
        self._patient, self._outcomes_after = patient, 0.0

    async def step(self, now: dt.datetime) -> None:
        """Report every ended block whose numbers changed; the same step again finds nothing to do."""
        began = monotonic()
        await self._contracts.load(self._db)
        versions = await self._mark(now)
        due = await self._due(now)
        await in_turn(
            (use_case, partial(self._close, use_case, list(rows), versions, now))
            for use_case, rows in groupby(due, key=lambda row: row.use_case)
        )
        async with self._db.transaction() as session:
            await LookStore(session).set_closed_at(now)
        metrics.MONITOR_STEP_SECONDS.observe(monotonic() - began)

    async def _close(self, use_case: str, rows: Sequence[BlockRow], versions: Versions, now: dt.datetime) -> None:
        for first in range(0, len(rows), _AT_ONCE):
            part = rows[first : first + _AT_ONCE]
            told = await told_of(self._db, self._contracts, part, now)
            async with self._db.read() as session:
                words = await CapacityStore(session).list_of_blocks(use_case, {row.block for row in part})
            judged = await asyncio.to_thread(self._judge, use_case, part, versions, now, told, words)
            await self._report(judged, now)

    async def _mark(self, now: dt.datetime) -> Versions:
        """Remember which blocks the new rows touch, together with how far the tables were looked at."""
        async with self._db.read() as session:
            last = await LookStore(session).get()
        versions = await asyncio.to_thread(table_versions, self._location)
        began, lookback = monotonic(), self._contracts.lookback()
        due = not self._patient or began >= self._outcomes_after
        changes = await asyncio.to_thread(find_changes, self._location, last, versions, now, lookback, outcomes_too=due)
        if due:
            self._outcomes_after = monotonic() + _PAUSE * (monotonic() - began)
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

    def _judge(
        self,
        use_case: str,
        rows: Sequence[BlockRow],
        versions: Versions,
        now: dt.datetime,
        told: Told,
        words: Mapping[str, Sequence[CapacityWord]],
    ) -> list[Judged]:
        blocks = {row.block for row in rows}
        frame = joined(self._location, use_case, now, blocks, versions, _READ)
        judged = []
        for row in rows:
            contract = self._contracts.get(row.contract_digest)
            assert contract is not None, "a block without a contract is never due"
            of_row = (pl.col("block") == row.block) & (pl.col("release_sequence") == row.release_sequence)
            numbers = told.get((row.block, row.release_sequence))
            said = words.get(row.block, ())
            report = report_block(frame.filter(of_row), contract, row.block, now, numbers, said)
            report = report.with_forecast(self._promised(row, contract))
            if row.judged is not None and report.status == "closed":
                # Rows came late to a block that was judged early: it does not become unjudged.
                report = replace(report, status="judged", mature=True)
            judged.append(Judged(row, report, _due_at(contract, row.block, report)))
        return judged

    def _promised(self, row: BlockRow, contract: Contract) -> Fraction | None:
        """What the package promises for a case; a block is reported without it when the package cannot be read."""
        try:
            return self._baselines.get(row.package_digest).value_per_case(contract) if self._baselines else None
        except Exception as error:
            # Whatever a store's client raises: what was realised is told all the same.
            said = {"use_case": row.use_case, "package": row.package_digest, "error": repr(error)[:300]}
            log.warning("a package promises nothing", extra=said)
            return None

    def judge_again(
        self, use_case: str, rows: Sequence[BlockRow], versions: Versions, now: dt.datetime
    ) -> list[dict[str, Any]]:
        """The numbers of these blocks from the table alone, as known at `now`; nothing is reported."""
        return [one.report.as_dict() for one in self._judge(use_case, rows, versions, now, {}, {})] if rows else []

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
                if one.report.measured and not row.revision:
                    # What was measured in this block may have counted for another release of it until now.
                    await MeasurementStore(session).touch(row.use_case, row.block, but=row.release_sequence)
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
    revision, numbers = row.revision + 1, report.as_dict()
    # As a document it is kept; times are read from text only where JSON is.
    words = [CapacityWord.model_validate_json(json.dumps(word)) for word in report.capacity_changes]
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
        **numbers | {"capacity_changes": words},
    )
