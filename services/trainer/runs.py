"""Works on queued runs, one at a time: lease, fit process, stored package, one transaction at the end."""

import asyncio
import logging
import shutil
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

from services.trainer.causes import from_document
from services.trainer.job import LOG, PACKAGE, Job, Result
from services.trainer.metrics import TRAINER_RUN_SECONDS, TRAINER_RUNS_OPEN, TRAINER_RUNS_TOTAL
from services.trainer.process import FitProcess
from services.trainer.settings import TrainerSettings
from services.trainer.store import Ending, RunStore
from services.trainer.tables import RunRow
from shared.events import Event, ModelTrained, TrainingFinished
from shared.feedback.joined import table_versions
from shared.package import PackageRefused, PackageStore
from shared.spine.clock import Clock, monotonic
from shared.spine.db import Database
from shared.spine.outbox import add_to_outbox

log = logging.getLogger(__name__)
SOURCE = "headrace/trainer"


class Runs:
    """The run loop of one trainer process."""

    def __init__(
        self,
        settings: TrainerSettings,
        db: Database,
        clock: Clock,
        packages: PackageStore,
        tables_are_fresh: Callable[[], Awaitable[None]],
    ) -> None:
        self._settings, self._db, self._clock, self._packages = settings, db, clock, packages
        self._tables_are_fresh = tables_are_fresh
        self._owner = f"trainer-{settings.instance}"
        self._woken = asyncio.Event()
        self._seen: dict[str, tuple[int, float]] = {}
        self._ready: FitProcess | None = None

    def wake(self) -> None:
        """Say that there may be something to do."""
        self._woken.set()

    async def run(self) -> None:
        """Work for ever."""
        try:
            while True:
                self._woken.clear()
                if self._settings.trainer_fit_ready:
                    await self.make_ready()
                if not await self.work_once():
                    with suppress(TimeoutError):
                        await asyncio.wait_for(self._woken.wait(), self._settings.trainer_poll_seconds)
        finally:
            if self._ready:
                await self._ready.kill()

    async def work_once(self) -> bool:
        """Do one run to its end if there is one to do."""
        async with self._db.read() as session:
            runs = await RunStore(session).list_open()
        TRAINER_RUNS_OPEN.set(len(runs))
        for run in runs:
            if self._is_free(run):
                async with self._db.transaction() as session:
                    attempt = await RunStore(session).take(run, self._owner)
                if attempt is not None:
                    await self._work(run, attempt)
                    return True
        return False

    async def make_ready(self) -> FitProcess:
        """Have a fit process that waits for the next run with its libraries loaded."""
        if self._ready is None or not self._ready.lives:
            self._ready = await FitProcess.start()
        return self._ready

    async def _begin(self, job: Job, run_dir: Path) -> FitProcess:
        process, self._ready = self._ready, None
        if process is None or not process.lives:
            process = await FitProcess.start()
        process.begin(job, run_dir)
        return process

    def _is_free(self, run: RunRow) -> bool:
        """Queued, left behind by this trainer's last life, or its heartbeat stands still for the whole lease."""
        if run.state == "queued" or run.owner == self._owner:
            return True
        heartbeat, since = self._seen.get(run.id, (-1, 0.0))
        if heartbeat != run.heartbeat:
            self._seen[run.id] = (run.heartbeat, monotonic())
            return False
        return monotonic() - since > self._settings.trainer_lease_seconds

    async def _work(self, run: RunRow, attempt: int) -> None:
        began, most = monotonic(), self._settings.trainer_attempts
        run_dir = self._settings.runs_dir / run.id / str(attempt)
        if attempt > most:
            # What takes the trainer down each time would do so for ever, and no other run would get its turn.
            reason = f"the trainer died during each of {most} attempts (HEADRACE_TRAINER_ATTEMPTS); see its log"
            await self._finish(run, attempt, Result(outcome="failed", reason=reason), run_dir, 0.0)
            return
        process = await self._begin(await self._job(run, attempt), run_dir)
        log.info("run started", extra={"run": run.id, "use_case": run.use_case, "attempt": attempt, "pid": process.pid})
        beat = asyncio.create_task(self._beat(run.id, attempt, process))
        try:
            result = await process.result(self._settings.trainer_fit_limit_seconds)
            result = await self._keep(run_dir / PACKAGE, result)
        finally:
            beat.cancel()
            await process.kill()
        await self._finish(run, attempt, result, run_dir, monotonic() - began)
        shutil.rmtree(run_dir / PACKAGE, ignore_errors=True)

    async def _job(self, run: RunRow, attempt: int) -> Job:
        """Pin the table version at the first attempt: a run that is done again reads the same."""
        if run.table_version is None:
            await self._tables_are_fresh()
            run.table_version = list(await asyncio.to_thread(table_versions, self._settings.feedback_location))
            async with self._db.transaction() as session:
                await RunStore(session).set_table_version(run.id, attempt, run.table_version)
        decisions, outcomes = run.table_version
        return Job(
            run_id=run.id,
            cause_id=str(run.cause["id"]),
            contract=run.contract or {},
            use_case_dir=(self._settings.trainer_use_cases_dir / run.use_case).absolute(),
            as_of=run.as_of,
            seed=run.seed,
            feedback=self._settings.feedback_location,
            table_version=(decisions, outcomes),
            memory_megabytes=self._settings.trainer_fit_memory_megabytes,
        )

    async def _beat(self, run_id: str, attempt: int, process: FitProcess) -> None:
        """Keep the lease while the fit runs; a lost lease ends the fit, whose result would not count."""
        while True:
            await asyncio.sleep(self._settings.trainer_lease_seconds / 6)
            async with self._db.transaction() as session:
                if not await RunStore(session).beat(run_id, attempt):
                    log.warning("lease lost", extra={"run": run_id, "attempt": attempt})
                    await process.kill()
                    return

    async def _keep(self, package: Path, result: Result) -> Result:
        """Store the package, however long the store is away; the lease is kept meanwhile."""
        wait = 0.1
        while result.package_digest is not None:
            try:
                await asyncio.to_thread(self._packages.put, package, result.package_digest)
                return result
            except PackageRefused as refused:
                return Result(outcome="failed", reason=f"the fit left no package that can be stored: {refused}"[:2000])
            except OSError as error:
                log.warning("the package store is away", extra={"error": repr(error)[:300], "wait_seconds": wait})
                await asyncio.sleep(wait)
                wait = min(wait * 2, 10.0)
        return result

    async def _finish(self, run: RunRow, attempt: int, result: Result, run_dir: Path, seconds: float) -> None:
        """Close the run and tell it, in one transaction."""
        lineage = result.lineage | {
            "run_id": run.id,
            "table_version": ", ".join(str(version) for version in run.table_version or ()),
        }
        log_file = str(run_dir / LOG)
        ending = Ending(result.outcome, result.reason, seconds, log_file, result.package_digest, lineage)
        async with self._db.transaction() as session:
            if not await RunStore(session).finish(run.id, attempt, ending):
                return
            add_to_outbox(session, *self._events(run, result, ending))
        TRAINER_RUNS_TOTAL.labels(run.use_case, result.outcome).inc()
        TRAINER_RUN_SECONDS.labels(run.use_case).observe(seconds)
        log.info("run ended", extra={"run": run.id, "outcome": result.outcome, "reason": result.reason})

    def _events(self, run: RunRow, result: Result, ending: Ending) -> list[Event]:
        cause, now = from_document(run.cause), self._clock.known or run.as_of
        events: list[Event] = []
        if result.outcome == "trained":
            events.append(
                ModelTrained.follow(
                    cause,
                    run.id,
                    source=SOURCE,
                    time=now,
                    use_case=run.use_case,
                    package_digest=result.package_digest,
                    behaviour_digest=result.behaviour_digest,
                    contract_digest=run.contract_digest,
                    train_until=result.train_until,
                    evaluation=result.evaluation,
                    lineage=ending.lineage,
                )
            )
        finished = TrainingFinished.follow(
            cause,
            run.id,
            source=SOURCE,
            time=now,
            use_case=run.use_case,
            run_id=run.id,
            outcome=result.outcome,
            reason=result.reason,
            package_digest=result.package_digest,
            log=ending.log,
            wall_seconds=ending.wall_seconds,
        )
        return [*events, finished]
