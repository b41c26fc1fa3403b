"""The clock step that judges each release against its rollback target, and asks for a rollback when it is worse."""

import datetime as dt
import logging
from functools import partial
from typing import Any

from services.monitor.metrics import MONITOR_REGRET_E_VALUE
from services.monitor.regret import NotJudged, PairedBlock, Regret, judge_regret, may_ask, pair
from services.monitor.store import BlockStore, Contracts, EvaluationStore, ReleaseStore
from services.monitor.tables import ReleaseRow
from shared.contract.capacity import block_bounds
from shared.contract.schema import Contract
from shared.events import PackageEvaluated, RollbackRequested
from shared.spine.db import Database
from shared.spine.in_turn import in_turn
from shared.spine.outbox import add_to_outbox

log = logging.getLogger(__name__)
SOURCE = "headrace/monitor"
Told = dict[str, PackageEvaluated]


class Rollbacks:
    """Judges the releases of all use cases."""

    def __init__(self, db: Database, contracts: Contracts) -> None:
        self._db, self._contracts = db, contracts
        self._verdicts: dict[str, tuple[int, Regret | NotJudged]] = {}

    async def step(self, now: dt.datetime) -> None:
        """Judge what is served on everything with earlier event time; the same step again asks nothing anew."""
        await self._contracts.load(self._db)
        async with self._db.read() as session:
            releases = await ReleaseStore(session).list_in_force(before=now)
        await in_turn(
            (release.use_case, partial(self._decide, release, contract, now))
            for release in releases
            if (contract := self._contracts.newest(release.use_case))
        )

    async def _decide(self, release: ReleaseRow, contract: Contract, now: dt.datetime) -> None:
        pairs, told = await self._pairs(release, now)
        verdict = judge_regret(pairs, contract, release.rollback_target)
        self._verdicts[release.use_case] = (release.sequence, verdict)
        MONITOR_REGRET_E_VALUE.labels(release.use_case).set(verdict.e_value if isinstance(verdict, Regret) else 0.0)
        if isinstance(verdict, Regret) and verdict.too_high:
            await self._ask(release, verdict, told, contract, now)

    async def _pairs(self, release: ReleaseRow, now: dt.datetime) -> tuple[list[PairedBlock], Told]:
        """The release's whole judged blocks with what its target would have cost, in block order."""
        if release.rollback_target is None:
            return [], {}
        async with self._db.read() as session:
            rows = await BlockStore(session).list_of_release(release.use_case, release.sequence)
            told = await EvaluationStore(session).list_of_target(release.use_case, release.rollback_target, before=now)
        pairs = []
        for row in rows:
            contract = self._contracts.get(row.contract_digest)
            if contract is None or block_bounds(contract, row.block)[0] < release.released_at:
                continue
            # Evidence grows in block order: what comes after an immature block waits for it.
            if row.judged_at is None or row.judged_at >= now:
                break
            if event := told.get(row.block):
                found = pair(row.block, event.served_cost_minor, event.cost_minor, event.labelled, contract)
                pairs += [found] if found else []
        return pairs, told

    async def _ask(self, release: ReleaseRow, regret: Regret, told: Told, contract: Contract, now: dt.datetime) -> None:
        assert regret.tipped_by is not None
        async with self._db.transaction() as session:
            store = EvaluationStore(session)
            if not may_ask(regret, contract, await store.get_last_asked(release.use_case), now):
                return
            event = RollbackRequested.follow(
                told[regret.tipped_by],
                f"{release.use_case}/{release.sequence}/{regret.last_block}",
                source=SOURCE,
                time=now,
                use_case=release.use_case,
                requested_by="monitor",
                reason=regret.reason(),
                release_sequence=release.sequence,
                kpi=regret.kpi,
                evidence=regret.evidence(),
            )
            await store.add_ask(event, regret.last_block)
            add_to_outbox(session, event)
        log.info("asked for a rollback", extra={"use_case": release.use_case, "reason": event.reason})

    def detail(self) -> dict[str, Any]:
        """Use case -> what stands against its release, as of the last step."""
        return {use_case: _shown(sequence, verdict) for use_case, (sequence, verdict) in self._verdicts.items()}


def _shown(sequence: int, verdict: Regret | NotJudged) -> dict[str, Any]:
    match verdict:
        case NotJudged(reason):
            return {"release": sequence, "judged": False, "reason": reason}
        case Regret():
            return {
                "release": sequence,
                "judged": True,
                "blocks": verdict.blocks,
                "mean": verdict.mean,
                "lower_bound": verdict.lower_bound,
                "e_value": verdict.e_value,
                "threshold": verdict.threshold,
            }
