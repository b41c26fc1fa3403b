"""The clock step that looks for technical failures of each release, and asks for a rollback when there are too many."""

import asyncio
import datetime as dt
import logging
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from services.monitor.requests import Failure, count_requests
from services.monitor.store import BlockStore, Contracts, ReleaseStore
from services.monitor.tables import ReleaseRow
from services.monitor.technical import (
    BlockRequests,
    Excused,
    Trouble,
    error_limit,
    judge_activations,
    judge_errors,
    may_ask,
    worst_of,
)
from services.monitor.technical_store import ActivationStore, FailureStore, TechnicalAskStore
from shared.contract.capacity import block_bounds, block_of
from shared.contract.schema import Contract
from shared.events import RollbackRequested, derived_id
from shared.spine.db import Database
from shared.spine.in_turn import in_turn
from shared.spine.outbox import add_to_outbox

log = logging.getLogger(__name__)
SOURCE = "headrace/monitor"
# Of a release only its newest blocks are judged: what failed a month ago is over.
_NEWEST_BLOCKS = 2
Verdict = Trouble | Excused | None


class TechnicalRollbacks:
    """Looks at the releases of all use cases."""

    def __init__(self, db: Database, location: str | Path, contracts: Contracts) -> None:
        self._db, self._location, self._contracts = db, location, contracts
        self._verdicts: dict[tuple[str, int, str], Trouble | Excused] = {}
        # Use case -> release, and how many requests it had answered when last read: they only become more.
        self._answered: dict[str, tuple[int, Mapping[str, int]]] = {}

    async def step(self, now: dt.datetime) -> None:
        """Judge what is served on everything with earlier event time; the same step again asks nothing anew."""
        await self._contracts.load(self._db)
        async with self._db.read() as session:
            releases = await ReleaseStore(session).list_in_force(before=now)
            too_far = await FailureStore(session).has_far(now)
        if too_far:
            async with self._db.transaction() as session:
                await FailureStore(session).forget(now)
        current = {(release.use_case, release.sequence) for release in releases}
        self._verdicts = {key: verdict for key, verdict in self._verdicts.items() if key[:2] in current}
        await in_turn(
            (release.use_case, partial(self._judge, release, contract, now))
            for release in releases
            if (contract := self._contracts.newest(release.use_case)) and release.rollback_target
        )

    async def _judge(self, release: ReleaseRow, contract: Contract, now: dt.datetime) -> None:
        for kpi, look in (("activation", self._activations), ("error_rate", self._errors)):
            async with self._db.read() as session:
                last = await TechnicalAskStore(session).get_last(release.use_case, release.sequence, kpi)
            if not may_ask(contract, last, now):
                continue
            verdict = await look(release, contract, now)
            self._remember(release, kpi, verdict)
            if isinstance(verdict, Trouble):
                await self._ask(release, kpi, verdict, now)

    async def _activations(self, release: ReleaseRow, _contract: Contract, now: dt.datetime) -> Verdict:
        async with self._db.read() as session:
            words = await ActivationStore(session).list_of_release(release.use_case, release.sequence, before=now)
        return judge_activations(words)

    async def _errors(self, release: ReleaseRow, contract: Contract, now: dt.datetime) -> Verdict:
        limit = error_limit(contract)
        blocks = await self._requests(release, contract, now)
        if worst_of(blocks, limit) is None:
            return None
        assert release.rollback_target is not None
        async with self._db.read() as session:
            target = await ReleaseStore(session).get_last_of(release.rollback_target, before=release)
            replaced = await ReleaseStore(session).get_last_other(before=release)
        earlier = {one.sequence: one for one in (target, replaced) if one}
        others = [await self._requests(one, contract, now) for one in earlier.values()]
        return judge_errors(release.sequence, blocks, others, limit)

    async def _requests(self, release: ReleaseRow, contract: Contract, now: dt.datetime) -> list[BlockRequests]:
        """The newest blocks of a release, in block order; none where nothing failed in them."""
        use_case, sequence = release.use_case, release.sequence
        async with self._db.read() as session:
            last = await FailureStore(session).get_last(use_case, sequence, before=now)
            if last is None:
                return []
            served = {row.block for row in await BlockStore(session).list_of_release(use_case, sequence)}
            newest = sorted(one for one in served | {block_of(contract, last)} if one <= block_of(contract, now))
            failed: dict[str, Sequence[Failure]] = {}
            for block in newest[-_NEWEST_BLOCKS:]:
                start, end = block_bounds(contract, block)
                failed[block] = await FailureStore(session).list_between(use_case, sequence, start, min(end, now))
        # A few failures a day are no reason to read the table at every step.
        limit, (read, known) = error_limit(contract), self._answered.get(use_case, (sequence, {}))
        fewest = known if read == sequence else {}
        if not any(len(ids) > limit * (len(ids) + fewest.get(block, 0)) for block, ids in failed.items()):
            return []
        blocks = await asyncio.to_thread(count_requests, self._location, use_case, sequence, failed, now)
        self._answered[use_case] = sequence, {one.block: one.answered for one in blocks}
        return blocks

    async def _ask(self, release: ReleaseRow, kpi: str, trouble: Trouble, now: dt.datetime) -> None:
        subject = f"{release.use_case}/{release.sequence}/{kpi}/{now.isoformat()}"
        fields = {
            "use_case": release.use_case,
            "requested_by": "monitor",
            "reason": trouble.reason,
            "release_sequence": release.sequence,
            "kpi": kpi,
            "evidence": trouble.evidence,
        }
        if trouble.cause:
            event = RollbackRequested.follow(trouble.cause, subject, source=SOURCE, time=now, **fields)
        else:
            name = derived_id(RollbackRequested.topic, subject)
            event = RollbackRequested.begin(id=name, source=SOURCE, time=now, **fields)
        async with self._db.transaction() as session:
            await TechnicalAskStore(session).add(event)
            add_to_outbox(session, event)
        log.warning("asked for a rollback", extra={"use_case": release.use_case, "reason": event.reason})

    def _remember(self, release: ReleaseRow, kpi: str, verdict: Verdict) -> None:
        key = (release.use_case, release.sequence, kpi)
        if verdict is None:
            self._verdicts.pop(key, None)
            return
        if isinstance(verdict, Excused) and key not in self._verdicts:
            log.warning("requests fail", extra={"use_case": release.use_case, "reason": verdict.reason})
        self._verdicts[key] = verdict

    def detail(self) -> dict[str, dict[str, str]]:
        """Use case -> KPI -> what stood against its release when last looked at."""
        found: dict[str, dict[str, str]] = {}
        for (use_case, _, kpi), verdict in self._verdicts.items():
            found.setdefault(use_case, {})[kpi] = verdict.reason
        return found
