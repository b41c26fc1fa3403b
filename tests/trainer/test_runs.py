"""Runs survive their processes: leases, attempts, and one end each."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from services.trainer.governor import Verdict
from services.trainer.job import Job
from services.trainer.runs import Runs
from services.trainer.settings import TrainerSettings
from services.trainer.store import Ending, RunStore, UseCaseStore
from services.trainer.tables import RunRow
from shared.contract import Contract
from shared.events import Event, ModelTrained, TrainingFinished, TrainingRequested, UseCaseApplied, from_record
from shared.package import PackageStore, verify_package
from shared.spine.clock import Clock
from shared.spine.db import Database
from shared.spine.outbox import OutboxRow
from tests.trainer.bench import tables_are_fresh

MakeJob = Callable[..., Job]
Started = Callable[[], Awaitable[int]]


@pytest.fixture
def settings(tmp_path: Path, toy_dir: Path) -> TrainerSettings:
    return TrainerSettings(home=tmp_path / "home", trainer_use_cases_dir=toy_dir.parent, clock="replay", seed=7)


@pytest.fixture
async def db(settings: TrainerSettings) -> AsyncIterator[Database]:
    database = Database(settings.database)
    await database.create_tables()
    yield database
    await database.close()


@pytest.fixture
def make_runs(settings: TrainerSettings, db: Database, make_job: MakeJob) -> Callable[..., Runs]:
    def make(**changed: object) -> Runs:
        chosen = settings.model_copy(update=changed)
        clock = Clock("replay", make_job().as_of)
        return Runs(chosen, db, clock, PackageStore(chosen.packages_location), tables_are_fresh)

    return make


async def ask(db: Database, contract: Contract, job: Job) -> TrainingRequested:
    """A contract and one queued run, as the handlers write them."""
    body = job.contract
    applied = UseCaseApplied.begin(
        source="test",
        time=job.as_of,
        use_case="toy",
        contract_digest=Contract.model_validate(body).digest,
        contract=body,
        revision=1,
        changed=[],
        signed_by="toy-desk",
    )
    asked = TrainingRequested.begin(source="test", time=job.as_of, use_case="toy", reason="why", requested_by="me")
    async with db.transaction() as session:
        await UseCaseStore(session).set(applied)
        await session.flush()
        await RunStore(session).add(asked, Verdict(True, "why"), job.as_of, job.seed)
    return asked


async def get_run(db: Database) -> RunRow:
    async with db.read() as session:
        return (await session.scalars(select(RunRow))).one()


async def published(db: Database) -> list[Event]:
    kinds: dict[str, type[Event]] = {kind.topic: kind for kind in (ModelTrained, TrainingFinished)}
    async with db.read() as session:
        rows = (await session.scalars(select(OutboxRow).order_by(OutboxRow.id))).all()
    records = [row.record() for row in rows]
    return [from_record(kinds[record.topic], record.value, record.headers) for record in records]


# These start the real fit process, which takes seconds to import its libraries.
process = pytest.mark.e2e


@pytest.fixture
def started(toy_dir: Path) -> Callable[[], Awaitable[int]]:
    """The pid of the fit process, as soon as the use case's code runs: a pipe says it without polling."""
    pipe = toy_dir / "started"
    os.mkfifo(pipe)

    async def wait() -> int:
        return int(await asyncio.to_thread(pipe.read_text))

    return wait


@process
async def test_a_run_ends_with_a_stored_package_and_two_events_that_name_their_cause(
    db: Database, make_runs: Callable[..., Runs], toy_contract: Contract, make_job: MakeJob, settings: TrainerSettings,
    tmp_path: Path,
) -> None:  # fmt: skip
    asked = await ask(db, toy_contract, make_job())
    assert await make_runs().work_once()
    trained, finished = await published(db)
    assert isinstance(trained, ModelTrained)
    assert isinstance(finished, TrainingFinished)
    assert (finished.outcome, finished.package_digest) == ("trained", trained.package_digest)
    assert {trained.causation_id, finished.causation_id} == {asked.id}
    assert trained.time == finished.time == make_job().as_of
    assert trained.lineage["table_version"] == "None, None"
    path = PackageStore(settings.packages_location).fetch(trained.package_digest, tmp_path / "cache")
    assert verify_package(path, trained.package_digest).behaviour_digest == trained.behaviour_digest
    run = await get_run(db)
    assert (run.state, run.attempt, run.package_digest) == ("trained", 1, trained.package_digest)
    assert not await make_runs().work_once()


@process
async def test_a_failed_run_says_why_and_where_its_log_is(
    db: Database, make_runs: Callable[..., Runs], toy_contract: Contract, make_job: MakeJob
) -> None:
    await ask(db, toy_contract, make_job("build_broken"))
    assert await make_runs().work_once()
    (finished,) = await published(db)
    assert isinstance(finished, TrainingFinished)
    assert finished.outcome == "failed"
    assert "no model today" in finished.reason
    assert finished.log
    assert "no model today" in Path(finished.log).read_text()


@process
async def test_a_use_case_without_code_here_is_declined(
    db: Database, make_runs: Callable[..., Runs], toy_contract: Contract, make_job: MakeJob, tmp_path: Path
) -> None:
    await ask(db, toy_contract, make_job())
    assert await make_runs(trainer_use_cases_dir=tmp_path / "elsewhere").work_once()
    (finished,) = await published(db)
    assert isinstance(finished, TrainingFinished)
    assert finished.outcome == "declined"
    assert "no directory" in finished.reason


@process
async def test_a_trainer_that_comes_back_does_its_own_run_again_with_the_same_as_of(
    db: Database,
    make_runs: Callable[..., Runs],
    toy_contract: Contract,
    make_job: MakeJob,
    started: Started,
) -> None:
    await ask(db, toy_contract, make_job("build_after_a_crash"))
    first = asyncio.create_task(make_runs().work_once())
    pid = await started()
    # The trainer is gone: its task ends without a word in the database.
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert (await get_run(db)).state == "running"
    assert await make_runs().work_once()
    run = await get_run(db)
    assert (run.state, run.attempt, run.as_of) == ("trained", 2, make_job().as_of)
    assert [event.topic for event in await published(db)] == ["model_trained", "training_finished"]


async def test_a_run_that_took_its_trainer_down_too_often_is_failed(
    db: Database, make_runs: Callable[..., Runs], toy_contract: Contract, make_job: MakeJob
) -> None:
    await ask(db, toy_contract, make_job())
    runs = make_runs(trainer_attempts=2)
    for attempt in (1, 2):
        async with db.transaction() as session:
            (run,) = await RunStore(session).list_open()
            assert await RunStore(session).take(run, "trainer-0") == attempt
    assert await runs.work_once()
    (finished,) = await published(db)
    assert isinstance(finished, TrainingFinished)
    assert finished.outcome == "failed"
    assert "died during each of 2 attempts" in finished.reason
    assert not await runs.work_once()


@process
async def test_a_fit_process_that_is_killed_fails_its_run_with_the_signal(
    db: Database,
    make_runs: Callable[..., Runs],
    toy_contract: Contract,
    make_job: MakeJob,
    started: Started,
) -> None:
    await ask(db, toy_contract, make_job("build_endless"))
    work = asyncio.create_task(make_runs().work_once())
    os.kill(await started(), signal.SIGKILL)
    assert await work
    (finished,) = await published(db)
    assert isinstance(finished, TrainingFinished)
    assert finished.outcome == "failed"
    assert "SIGKILL" in finished.reason


@process
async def test_a_ready_fit_process_does_the_next_run_and_a_dead_one_is_replaced(
    db: Database, make_runs: Callable[..., Runs], toy_contract: Contract, make_job: MakeJob, started: Started
) -> None:
    await ask(db, toy_contract, make_job("build_endless"))
    runs = make_runs()
    dead = await runs.make_ready()
    await dead.kill()
    ready = await runs.make_ready()
    assert ready.pid != dead.pid
    work = asyncio.create_task(runs.work_once())
    assert await started() == ready.pid
    await ready.kill()
    assert await work


@process
async def test_another_trainer_s_run_is_taken_only_when_its_heartbeat_stands_still(
    db: Database, make_runs: Callable[..., Runs], toy_contract: Contract, make_job: MakeJob
) -> None:
    await ask(db, toy_contract, make_job())
    async with db.transaction() as session:
        (run,) = await RunStore(session).list_open()
        assert await RunStore(session).take(run, "trainer-9") == 1
    patient = make_runs()
    assert not await patient.work_once()
    assert not await patient.work_once()
    hasty = make_runs(trainer_lease_seconds=1e-9)
    assert not await hasty.work_once()
    async with db.transaction() as session:
        assert await RunStore(session).beat(run.id, 1)
    assert not await hasty.work_once()
    assert await hasty.work_once()
    assert (await get_run(db)).attempt == 2


async def test_a_lost_lease_neither_beats_nor_finishes(db: Database, toy_contract: Contract, make_job: MakeJob) -> None:
    await ask(db, toy_contract, make_job())
    async with db.transaction() as session:
        store = RunStore(session)
        (run,) = await store.list_open()
        assert await store.take(run, "trainer-0") == 1
        assert await store.take(run, "trainer-1") is None
    async with db.transaction() as session:
        store = RunStore(session)
        (run,) = await store.list_open()
        assert await store.take(run, "trainer-1") == 2
        assert not await store.beat(run.id, 1)
        assert not await store.finish(run.id, 1, Ending("failed", "late", 1.0, "log"))
        assert await store.finish(run.id, 2, Ending("failed", "in time", 1.0, "log"))
        assert not await store.finish(run.id, 2, Ending("failed", "twice", 1.0, "log"))
    assert (await get_run(db)).reason == "in time"


@process
async def test_a_run_whose_lease_is_lost_ends_its_fit_and_says_nothing(
    db: Database,
    make_runs: Callable[..., Runs],
    toy_contract: Contract,
    make_job: MakeJob,
    started: Started,
) -> None:
    await ask(db, toy_contract, make_job("build_endless"))
    work = asyncio.create_task(make_runs(trainer_lease_seconds=0.5).work_once())
    await started()
    async with db.transaction() as session:
        (run,) = await RunStore(session).list_open()
        assert await RunStore(session).take(run, "trainer-9") == 2
    await asyncio.wait_for(work, 60)
    assert await published(db) == []
    assert (await get_run(db)).owner == "trainer-9"


async def test_the_table_refuses_two_open_runs_of_a_use_case(
    db: Database, toy_contract: Contract, make_job: MakeJob
) -> None:
    from sqlalchemy.exc import IntegrityError

    await ask(db, toy_contract, make_job())
    other = TrainingRequested.begin(
        source="test", time=make_job().as_of + timedelta(hours=1), use_case="toy", reason="", requested_by="me"
    )
    with pytest.raises(IntegrityError):
        async with db.transaction() as session:
            await RunStore(session).add(other, Verdict(True, ""), other.time, 7)
