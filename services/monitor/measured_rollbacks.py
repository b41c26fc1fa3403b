"""The clock step that lets measured blocks enter evidence, and asks for a rollback when a limit is broken."""

import datetime as dt
import logging
from functools import partial
from typing import Any

from services.monitor.measured import MeasuredBlock, NotJudged, Verdict, judge_measured, numbers_of, of_release
from services.monitor.measured_store import EvidenceStore, MeasurementStore
from services.monitor.measured_tables import MeasuredBlockRow
from services.monitor.metrics import MONITOR_MEASURED_E_VALUE
from services.monitor.store import BlockStore, Contracts, ReleaseStore
from services.monitor.tables import BlockRow, ReleaseRow
from services.monitor.technical import may_ask
from shared.contract.capacity import block_bounds
from shared.contract.kpis import Kpi
from shared.contract.schema import Contract
from shared.events import RollbackRequested, derived_id
from shared.spine.db import Database
from shared.spine.in_turn import in_turn
from shared.spine.outbox import add_to_outbox

log = logging.getLogger(__name__)
SOURCE = "headrace/monitor"


class MeasuredRollbacks:
    """Judges the releases of all use cases whose contracts rest rollbacks on measured KPIs."""

    def __init__(self, db: Database, contracts: Contracts) -> None:
        self._db, self._contracts = db, contracts
        self._verdicts: dict[tuple[str, str], tuple[int, Verdict | NotJudged]] = {}

    async def step(self, now: dt.datetime) -> None:
        """Judge what is served on everything with earlier event time; the same step again asks nothing anew."""
        await self._contracts.load(self._db)
        async with self._db.read() as session:
            releases = await ReleaseStore(session).list_in_force(before=now)
        self._verdicts = {}
        watched = [
            (release, contract)
            for release in releases
            if (contract := self._contracts.newest(release.use_case))
            and any(kpi.measured for kpi in contract.kpis.values())
        ]
        await in_turn((release.use_case, partial(self._judge, release, contract, now)) for release, contract in watched)
        if watched:
            async with self._db.transaction() as session:
                await MeasurementStore(session).forget(now)

    async def _judge(self, release: ReleaseRow, contract: Contract, now: dt.datetime) -> None:
        for name in contract.rollback.on:
            if contract.kpis[name].measured:
                await self._settle(release, name, contract.kpis[name], now)
                await self._decide(release, contract, name, now)

    async def _settle(self, release: ReleaseRow, name: str, kpi: Kpi, now: dt.datetime) -> None:
        """Whole blocks of the release that have waited for their values enter evidence, each once."""
        use_case, sequence = release.use_case, release.sequence
        async with self._db.read() as session:
            rows = await BlockStore(session).list_of_release(use_case, sequence)
            settled = await EvidenceStore(session).list_settled(use_case, sequence, name)
        due = [row for row in rows if row.block not in settled and self._is_due(row, release, kpi, now)]
        if not due:
            return
        blocks = {row.block for row in due}
        async with self._db.transaction() as session:
            values = await MeasurementStore(session).list_of_blocks(use_case, blocks)
            released = await MeasurementStore(session).list_decided(use_case, blocks)
            for row in due:
                contract = self._contracts.get(row.contract_digest)
                assert contract is not None
                mine = [one for one in values[row.block] if of_release(one.at, released[row.block]) == sequence]
                if told := numbers_of(contract, mine).get(name):
                    key = {"use_case": use_case, "kpi": name, "block": row.block, "release_sequence": sequence}
                    number = {each: told[each] for each in ("unit", "aggregation", "value", "count")}
                    EvidenceStore(session).settle(MeasuredBlockRow(**key, **number, settled_at=now))

    def _is_due(self, row: BlockRow, release: ReleaseRow, kpi: Kpi, now: dt.datetime) -> bool:
        contract = self._contracts.get(row.contract_digest)
        if contract is None:
            return False
        start, end = block_bounds(contract, row.block)
        return start >= release.released_at and kpi.wait.after(end) <= now

    async def _decide(self, release: ReleaseRow, contract: Contract, name: str, now: dt.datetime) -> None:
        kpi = contract.kpis[name]
        async with self._db.read() as session:
            store = EvidenceStore(session)
            blocks = await store.list_blocks(release.use_case, release.sequence, name, kpi)
            last = await store.get_last_asked(release.use_case, release.sequence, name)
        others = await self._others(release, name, kpi)
        verdict = judge_measured(name, kpi, contract.rollback.alpha, blocks, others)
        if isinstance(verdict, Verdict) and release.rollback_target is None:
            verdict = NotJudged(f"{verdict.kpi}: the release has no rollback target")
        self._verdicts[release.use_case, name] = (release.sequence, verdict)
        sure = verdict.e_value if isinstance(verdict, Verdict) else 0.0
        MONITOR_MEASURED_E_VALUE.labels(release.use_case, name).set(sure)
        if isinstance(verdict, Verdict) and verdict.beyond and may_ask(contract, last, now):
            await self._ask(release, verdict, now)

    async def _others(self, release: ReleaseRow, name: str, kpi: Kpi) -> list[list[MeasuredBlock]]:
        """The blocks of the release that a rollback would bring back, and of the one that was replaced."""
        if release.rollback_target is None:
            return []
        async with self._db.read() as session:
            releases = ReleaseStore(session)
            target = await releases.get_last_of(release.rollback_target, before=release)
            replaced = await releases.get_last_other(before=release)
            sequences = sorted({one.sequence for one in (target, replaced) if one})
            store = EvidenceStore(session)
            return [await store.list_blocks(release.use_case, each, name, kpi) for each in sequences]

    async def _ask(self, release: ReleaseRow, verdict: Verdict, now: dt.datetime) -> None:
        async with self._db.transaction() as session:
            row = await BlockStore(session).get(release.use_case, verdict.tipped_by or "", release.sequence)
            assert row is not None
            subject = f"{release.use_case}/{release.sequence}/{verdict.kpi}/{verdict.last_block}"
            name = derived_id(RollbackRequested.topic, subject)
            # The report of the block that tipped it led to this; a report begins its own story.
            story = row.event_id or name
            event = RollbackRequested(
                id=name,
                source=SOURCE,
                time=now,
                correlation_id=story,
                causation_id=row.event_id,
                use_case=release.use_case,
                requested_by="monitor",
                reason=verdict.reason(),
                release_sequence=release.sequence,
                kpi=verdict.kpi,
                evidence=verdict.evidence(),
            )
            await EvidenceStore(session).add_ask(event)
            add_to_outbox(session, event)
        log.warning("asked for a rollback", extra={"use_case": release.use_case, "reason": event.reason})

    def detail(self) -> dict[str, dict[str, Any]]:
        """Use case -> measured KPI -> what stands against its release, as of the last step."""
        found: dict[str, dict[str, Any]] = {}
        for (use_case, name), (sequence, verdict) in self._verdicts.items():
            found.setdefault(use_case, {})[name] = _shown(sequence, verdict)
        return found


def _shown(sequence: int, verdict: Verdict | NotJudged) -> dict[str, Any]:
    match verdict:
        case NotJudged(reason):
            return {"release": sequence, "judged": False, "reason": reason}
        case Verdict():
            return {
                "release": sequence,
                "judged": True,
                "limit": verdict.limit,
                "bound": verdict.bound,
                "blocks": verdict.blocks,
                "broken_blocks": verdict.broken,
                "mean": verdict.mean,
                "e_value": verdict.e_value,
                "threshold": verdict.threshold,
                "fewest_blocks": verdict.fewest_blocks,
            }
