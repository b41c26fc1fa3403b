"""What the trainer writes down when it hears an event."""

from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from services.trainer.app import count_pending
from services.trainer.handlers import Seed, on_training_requested, on_use_case_applied
from services.trainer.job import Job
from services.trainer.runs import Runs
from services.trainer.settings import TrainerSettings
from services.trainer.store import UseCaseStore
from services.trainer.tables import RunRow
from shared.contract import Contract
from shared.events import TrainingFinished, TrainingRequested, UseCaseApplied, from_record
from shared.package import PackageStore
from shared.spine.clock import Clock
from shared.spine.db import Database
from shared.spine.outbox import OutboxRow
from tests.containers import database_url
from tests.trainer.bench import NO_KAFKA, tables_are_fresh

MakeJob = Callable[..., Job]


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[Database]:
    database = Database(database_url(tmp_path / "trainer.db"))
    await database.create_tables()
    yield database
    await database.close()


@pytest.fixture
def parts(db: Database, tmp_path: Path, make_job: MakeJob) -> dict[str, Any]:
    settings = TrainerSettings(home=tmp_path)
    clock = Clock("replay", make_job().as_of)
    runs = Runs(settings, db, clock, PackageStore(settings.packages_location), tables_are_fresh)
    return {"db": db, "clock": clock, "runs": runs, "seed": Seed(7), "hearing": NO_KAFKA}


def applied(contract: Contract, job: Job, revision: int = 1) -> UseCaseApplied:
    return UseCaseApplied.begin(
        source="test",
        time=job.as_of,
        use_case="toy",
        contract_digest=contract.digest,
        contract=contract.to_json(),
        revision=revision,
        changed=[],
        signed_by="toy-desk",
    )


def requested(job: Job) -> TrainingRequested:
    # An hour before the clock: the run is as of the clock, not of the request.
    time = job.as_of - timedelta(hours=1)
    return TrainingRequested.begin(
        source="test", time=time, use_case="toy", reason="why", requested_by="me", kind_of_cause="person"
    )


async def declined(db: Database) -> list[TrainingFinished]:
    async with db.read() as session:
        rows = (await session.scalars(select(OutboxRow).order_by(OutboxRow.id))).all()
    return [from_record(TrainingFinished, row.record().value, row.record().headers) for row in rows]


async def test_a_request_becomes_a_queued_run_as_of_the_clock_s_time(
    db: Database, parts: dict[str, Any], toy_contract: Contract, make_job: MakeJob
) -> None:
    job = make_job()
    await on_use_case_applied(applied(toy_contract, job), db)
    event = requested(job)
    await on_training_requested(event, **parts)
    async with db.read() as session:
        run = (await session.scalars(select(RunRow))).one()
    assert (run.state, run.as_of, run.seed) == ("queued", job.as_of, 7)
    assert run.contract_digest == toy_contract.digest
    assert Contract.model_validate(run.contract) == toy_contract
    assert run.cause["id"] == event.id
    assert await count_pending(db) == {"runs_open": 1}
    assert await declined(db) == []


async def test_the_same_request_twice_is_one_run(
    db: Database, parts: dict[str, Any], toy_contract: Contract, make_job: MakeJob
) -> None:
    await on_use_case_applied(applied(toy_contract, make_job()), db)
    event = requested(make_job())
    await on_training_requested(event, **parts)
    await on_training_requested(event, **parts)
    assert await count_pending(db) == {"runs_open": 1}
    assert await declined(db) == []


async def test_a_request_beside_an_open_run_is_declined_and_told(
    db: Database, parts: dict[str, Any], toy_contract: Contract, make_job: MakeJob
) -> None:
    await on_use_case_applied(applied(toy_contract, make_job()), db)
    await on_training_requested(requested(make_job()), **parts)
    second = requested(make_job())
    await on_training_requested(second, **parts)
    (said,) = await declined(db)
    assert (said.outcome, said.causation_id, said.time) == ("declined", second.id, make_job().as_of)
    assert "is not finished yet" in said.reason
    assert await count_pending(db) == {"runs_open": 1}


async def test_a_use_case_nobody_applied_is_declined(db: Database, parts: dict[str, Any], make_job: MakeJob) -> None:
    await on_training_requested(requested(make_job()), **parts)
    (said,) = await declined(db)
    assert "no contract was applied for toy" in said.reason
    assert await count_pending(db) == {"runs_open": 0}


async def test_an_older_revision_of_a_contract_changes_nothing(
    db: Database, toy_contract: Contract, make_job: MakeJob
) -> None:
    older = Contract.model_validate(toy_contract.to_json() | {"objective": "An older one."})
    await on_use_case_applied(applied(toy_contract, make_job(), revision=2), db)
    await on_use_case_applied(applied(older, make_job(), revision=1), db)
    async with db.read() as session:
        row = await UseCaseStore(session).get("toy")
    assert row is not None
    assert (row.revision, row.contract_digest) == (2, toy_contract.digest)
