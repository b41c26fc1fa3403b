"""The clock step that lets judged blocks enter the evidence of drift, and tells of an alarm once per epoch."""

import asyncio
import datetime as dt
import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from services.monitor import metrics
from services.monitor.baseline import Baseline, Baselines
from services.monitor.block_statistics import BlockStatistics
from services.monitor.drift import RECENT, Verdict, Watch, judge_drift
from services.monitor.drift_rows import MOST_FAULTS, cost_gap_evidence, profile_of, statistics_of, statistics_of_rows
from services.monitor.drift_store import DriftStore
from services.monitor.explain import explain, faults
from services.monitor.impact import impact_of
from services.monitor.store import BlockStore, Contracts, ReleaseStore
from services.monitor.tables import BlockRow, DriftBlockRow
from shared.contract.schema import Contract
from shared.events import DriftDetected, derived_id
from shared.events.judged import MovedFeature
from shared.feedback.joined import joined
from shared.package.inputs import InputProfile
from shared.spine.db import Database
from shared.spine.in_turn import in_turn
from shared.spine.outbox import add_to_outbox

log = logging.getLogger(__name__)
SOURCE = "headrace/monitor"
# A block counts for a package that served more than this share of it.
_MOSTLY = 0.5


@dataclass(frozen=True)
class Served:
    """A judged block that one package mostly served: its rows of that package, the last release's row last."""

    rows: Sequence[BlockRow]

    @property
    def last(self) -> BlockRow:
        """The row of the newest release in the block."""
        return self.rows[-1]

    @property
    def judged_at(self) -> dt.datetime:
        """When all of it was judged: labels known later change nothing here."""
        return max(row.judged_at for row in self.rows if row.judged_at)


@dataclass(frozen=True)
class Seen:
    """An epoch's verdict and what it rests on."""

    watch: Watch
    verdict: Verdict
    blocks: Sequence[BlockStatistics]
    gap_e_value: float | None

    @property
    def signals(self) -> dict[str, float]:
        """The evidence by name: what alarms, and the gap, which does not."""
        found = {str(name): value for name, value in self.verdict.signals.items()}
        return found if self.gap_e_value is None else {**found, "cost_gap": self.gap_e_value}


class Drifting:
    """Watches the package that each use case serves."""

    def __init__(
        self, db: Database, location: str | Path, contracts: Contracts, baselines: Baselines, seed: int = 0
    ) -> None:
        self._db, self._location, self._contracts = db, location, contracts
        self._baselines, self._seed = baselines, seed
        self._away: dict[str, str] = {}

    async def step(self, now: dt.datetime) -> None:
        """Take every judged block of the served packages in; a package that is away is tried again at the next step."""
        async with self._db.read() as session:
            current = await ReleaseStore(session).list_in_force(now)
            served = {
                one.use_case: served_by(one.package_digest, await DriftStore(session).list_waiting(one.use_case))
                for one in current
            }
        await in_turn((use_case, partial(self._take_in, use_case, blocks, now)) for use_case, blocks in served.items())

    async def _take_in(self, use_case: str, blocks: Sequence["Served"], now: dt.datetime) -> None:
        self._away.pop(use_case, None)
        for block in blocks:
            if (baseline := await self._baseline(use_case, block.last.package_digest)) is None:
                break
            await self._enter(block, baseline, now)

    async def detail(self) -> dict[str, dict[str, Any]]:
        """Per use case: the epoch, its evidence against its threshold, and why it cannot be judged, if it cannot."""
        async with self._db.read() as session:
            last = await DriftStore(session).list_last()
        found: dict[str, dict[str, Any]] = {
            use_case: {
                "epoch": row.epoch,
                "block": row.block,
                "e_value": row.e_value,
                "threshold": row.threshold,
                "cannot_be_judged": row.reason,
                "cost_gap_e_value": row.statistics.get("gap_e_value"),
                "faults": row.statistics.get("faults", []),
            }
            for use_case, row in last.items()
        }
        for use_case, reason in self._away.items():
            found.setdefault(use_case, {})["cannot_be_judged"] = reason
        return found

    async def _baseline(self, use_case: str, digest: str) -> Baseline | None:
        try:
            return await asyncio.to_thread(self._baselines.get, digest)
        except Exception as error:
            # Whatever a store's client raises: without its reference a package cannot be judged now.
            self._away[use_case] = f"the reference of package {digest[:12]} cannot be read: {error!r}"[:300]
            log.warning("drift cannot be judged", extra={"use_case": use_case, "error": repr(error)[:300]})
            return None

    async def _enter(self, block: Served, baseline: Baseline, now: dt.datetime) -> None:
        """State and event commit together; the block enters once."""
        row = block.last
        contract = self._contracts.get(row.contract_digest)
        assert contract is not None, "a block without a contract is never judged"
        statistics = await asyncio.to_thread(self._summarise, block, baseline, contract)
        async with self._db.read() as session:
            store = DriftStore(session)
            epoch = await store.get_epoch(row.use_case, row.package_digest)
            earlier = await store.list_blocks(row.use_case, epoch.epoch)
        watch = Watch(row.use_case, contract.monitoring.unit, contract.monitoring.alpha, epoch.epoch, self._seed)
        blocks = [*(statistics_of(one.statistics) for one in earlier), statistics]
        verdict = await asyncio.to_thread(judge_drift, watch, baseline.blocks, blocks)
        gap = await asyncio.to_thread(cost_gap_evidence, watch, baseline, contract, blocks)
        seen = Seen(watch, verdict, blocks, gap)
        event = await self._alarm(block, baseline, contract, seen, now) if verdict.alarm else None
        if event:
            epoch.alarm_block, epoch.event_id = row.block, event.id
        async with self._db.transaction() as session:
            entered = DriftBlockRow(
                use_case=row.use_case,
                block=row.block,
                epoch=epoch.epoch,
                statistics=asdict(replace(statistics, gap_e_value=gap)),
                e_value=verdict.e_value,
                threshold=verdict.threshold,
                reason=verdict.reason,
            )
            await DriftStore(session).add(epoch, entered)
            if event:
                add_to_outbox(session, event)
        metrics.MONITOR_DRIFT_E_VALUE.labels(row.use_case).set(verdict.e_value)

    def _summarise(self, block: Served, baseline: Baseline, contract: Contract) -> BlockStatistics:
        """The block as it was known when it was judged."""
        row = block.last
        rows = joined(self._location, row.use_case, block.judged_at, {row.block})
        rows = rows.filter(pl.col("package_digest") == row.package_digest)
        return statistics_of_rows(row.block, rows, baseline, contract)

    async def _alarm(
        self,
        block: Served,
        baseline: Baseline,
        contract: Contract,
        seen: "Seen",
        now: dt.datetime,
    ) -> DriftDetected:
        row, verdict, recent = block.last, seen.verdict, {one.block for one in seen.blocks[-RECENT:]}
        async with self._db.read() as session:
            judged = await BlockStore(session).list_judged(row.use_case)
        served = [one for one in judged if one.block in recent and one.package_digest == row.package_digest]
        profile = await asyncio.to_thread(self._recent, block, recent, baseline)
        moved = await asyncio.to_thread(
            explain, seen.watch, baseline.package.profile, profile, baseline.blocks, seen.blocks
        )
        impact = await asyncio.to_thread(impact_of, served, baseline, contract)
        return DriftDetected.begin(
            id=derived_id("drift_detected", row.use_case, row.package_digest, str(verdict.epoch)),
            source=SOURCE,
            time=now,
            use_case=row.use_case,
            release_sequence=row.release_sequence,
            package_digest=row.package_digest,
            behaviour_digest=row.behaviour_digest,
            contract_digest=row.contract_digest,
            block=row.block,
            unit=verdict.unit,
            method=verdict.method,
            alpha=verdict.alpha,
            epoch=verdict.epoch,
            e_value=verdict.e_value,
            threshold=verdict.threshold,
            effect_size=verdict.effect_size,
            signals=seen.signals,
            features=[MovedFeature(**asdict(one)) for one in moved],
            faults=faults(baseline.package.profile, profile)[:MOST_FAULTS],
            estimated_cost_minor_per_block=impact.minor_per_block,
            cost_rests_on=impact.rests_on,
            severity=impact.severity(contract),
        )

    def _recent(self, block: Served, blocks: set[str], baseline: Baseline) -> InputProfile:
        rows = joined(self._location, block.last.use_case, block.judged_at, blocks)
        return profile_of(baseline, rows.filter(pl.col("package_digest") == block.last.package_digest))


def served_by(package_digest: str, waiting: Sequence[Sequence[BlockRow]]) -> list[Served]:
    """The blocks of which this package served the larger part; the rest belong to no epoch of it."""
    found = []
    for rows in waiting:
        mine = [row for row in rows if row.package_digest == package_digest]
        volume = sum(_volume(row) for row in rows)
        if mine and sum(_volume(row) for row in mine) > _MOSTLY * volume:
            found.append(Served(mine))
    return found


def _volume(row: BlockRow) -> int:
    return int(row.judged["volume"]) if row.judged else 0
