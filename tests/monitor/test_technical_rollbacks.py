"""From refusals and failed requests to a request for a rollback, on a real database and real tables."""

import datetime as dt
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from sqlalchemy import select

from services.monitor.closing import Closing
from services.monitor.handlers import on_activation_reported, on_model_released, on_use_case_applied
from services.monitor.store import Contracts
from services.monitor.technical_rollbacks import TechnicalRollbacks
from services.monitor.technical_store import FailureStore
from shared.events import (
    ActivationReported,
    ModelReleased,
    PredictionServed,
    RollbackRequested,
    UseCaseApplied,
    from_record,
)
from shared.feedback.rows import Placed
from shared.spine.db import Database
from shared.spine.outbox import OutboxRow
from tests.containers import database_url
from tests.feedback.streams import BEHAVIOUR, NOON, failed, served, store
from tests.monitor.contracts import watched_contract

DAY = dt.timedelta(days=1)
MIDNIGHT = NOON.replace(hour=0)
# Technical evidence counts although the contract rests rollbacks on regret alone.
CONTRACT = watched_contract()
OLD, NEW, NEWEST = "a" * 64, "d" * 64, "e" * 64


class Bench:
    """A monitor without Kafka; days are counted from 1 March 2013."""

    def __init__(self, folder: Path) -> None:
        self.location = folder / "feedback"
        self.db = Database(database_url(folder / "monitor.db"))
        self.offset = 0
        self.restart()

    def restart(self) -> None:
        self.contracts = Contracts()
        self.closing = Closing(self.db, self.location, self.contracts)
        self.technical = TechnicalRollbacks(self.db, self.location, self.contracts)

    async def begin(self) -> None:
        """The first release ever has nothing to go back to, the second one has the first."""
        await self.db.create_tables()
        event = UseCaseApplied.begin(
            source="registry", time=MIDNIGHT - DAY, use_case="flights", contract_digest=CONTRACT.digest,
            contract=CONTRACT.to_json(), revision=1, changed=[], signed_by="desk",
        )  # fmt: skip
        await on_use_case_applied(event, self.db, self.contracts)
        await self.release(1, OLD, None)

    async def release(self, sequence: int, package: str = NEW, target: str | None = OLD, day: float = 0) -> None:
        event = ModelReleased.begin(
            source="registry", time=MIDNIGHT + day * DAY, use_case="flights", sequence=sequence,
            package_digest=package, behaviour_digest=BEHAVIOUR, contract_digest=CONTRACT.digest, policy={},
            cause="promotion", reason="better", released_by="registry", rollback_target=target,
        )  # fmt: skip
        await on_model_released(event, self.db)

    async def report(self, sequence: int, status: str = "refused", worker: str = "w1", day: float = 0.1) -> None:
        event = ActivationReported.begin(
            source="serving", time=MIDNIGHT + day * DAY, use_case="flights", sequence=sequence, package_digest=NEW,
            replica=0, worker=worker, status=status, check=None if status == "active" else "golden",
        )  # fmt: skip
        await on_activation_reported(event, self.db)

    async def serve(self, release: int, failures: int, answers: int, day: int = 0, kept: bool = True) -> None:
        """So many requests at noon; `kept` = False: the monitor died between its two writes."""
        noon = NOON + day * DAY
        mine = f"{release}-{day}-{self.offset}"
        lost = [failed(f"f{mine}-{i}", noon, release=release) for i in range(failures)]
        await self.fail(lost)
        if kept:
            good = [
                served(f"a{mine}-{i}", [noon] * 2, release=release, contract_digest=CONTRACT.digest)
                for i in range(answers)
            ]
            store(self.location, good, start=self.offset + failures)
            self.offset += failures + answers

    async def fail(self, events: Sequence[PredictionServed]) -> None:
        async with self.db.transaction() as session:
            await FailureStore(session).add([Placed(one, 0, self.offset + i) for i, one in enumerate(events)])

    async def step(self, day: float) -> list[RollbackRequested]:
        """The clock moves to the midnight after so many days; what was asked for then."""
        before = len(await self.asked())
        await self.closing.step(MIDNIGHT + day * DAY)
        await self.technical.step(MIDNIGHT + day * DAY)
        return (await self.asked())[before:]

    async def asked(self) -> list[RollbackRequested]:
        query = select(OutboxRow).where(OutboxRow.topic == RollbackRequested.topic).order_by(OutboxRow.id)
        async with self.db.read() as session:
            rows = list(await session.scalars(query))
        return [from_record(RollbackRequested, row.value, row.record().headers) for row in rows]

    def shown(self) -> dict[str, str]:
        return self.technical.detail().get("flights", {})


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    bench = Bench(tmp_path)
    await bench.begin()
    yield bench
    await bench.db.close()


async def test_a_refused_release_is_asked_back_once_with_the_check_that_failed(bench: Bench) -> None:
    await bench.release(2)
    await bench.report(2, "active", "w2")
    await bench.report(2, "refused", "w1")
    (request,) = await bench.step(1)
    assert (request.release_sequence, request.kpi, request.requested_by) == (2, "activation", "monitor")
    assert request.evidence == {"refused": 1, "active": 1}
    assert request.reason.startswith("1 of 2 workers refused release 2 at golden")
    assert request.causation_id is not None
    assert "golden" in bench.shown()["activation"]
    bench.restart()
    assert await bench.step(1) == []
    assert await bench.step(2) == []


async def test_a_release_still_there_after_the_cooldown_is_asked_back_again(bench: Bench) -> None:
    await bench.release(2)
    await bench.report(2)
    asked = [request for day in range(1, 16) for request in await bench.step(day)]
    assert [request.time for request in asked] == [MIDNIGHT + day * DAY for day in (1, 8, 15)]
    assert len({request.id for request in asked}) == 3, "the registry takes an id once"


async def test_only_what_happened_before_the_step_and_to_what_is_in_force_counts(bench: Bench) -> None:
    await bench.release(2)
    await bench.report(1)
    await bench.report(2, day=1)
    assert await bench.step(1) == []
    await bench.release(3, NEWEST, NEW, day=1.2)
    assert await bench.step(2) == []


async def test_a_worker_that_serves_it_after_all_is_no_reason(bench: Bench) -> None:
    await bench.release(2)
    await bench.report(2, "refused")
    await bench.report(2, "active", day=0.2)
    assert await bench.step(1) == []


async def test_a_release_without_rollback_target_asks_nothing(bench: Bench) -> None:
    await bench.report(1)
    await bench.serve(1, 50, 50)
    assert await bench.step(1) == []


async def test_a_release_that_fails_too_often_is_asked_back_with_share_and_limit(bench: Bench) -> None:
    await bench.release(2)
    await bench.serve(2, 3, 47)
    (request,) = await bench.step(1)
    assert (request.release_sequence, request.kpi) == (2, "error_rate")
    assert request.evidence == {"failed": 3, "requests": 50, "share": 0.06, "limit": 0.05}
    bench.restart()
    assert await bench.step(1) == []
    assert await bench.step(2) == []


async def test_the_event_is_the_same_whoever_computes_it(tmp_path: Path) -> None:
    ids = set()
    for name in ("one", "other"):
        bench = Bench(tmp_path / name)
        await bench.begin()
        await bench.release(2)
        await bench.serve(2, 50, 50)
        ids.add((await bench.step(1))[0].id)
        await bench.db.close()
    assert len(ids) == 1


async def test_few_failures_and_few_requests_ask_nothing(bench: Bench) -> None:
    await bench.release(2)
    await bench.serve(2, 10, 9)
    assert await bench.step(1) == []
    await bench.serve(2, 5, 95, day=1)
    assert await bench.step(2) == []
    # What is known of the block suffices until more requests fail.
    await bench.serve(2, 2, 1, day=1)
    assert len(await bench.step(2)) == 1


async def test_failures_that_are_over_ask_nothing_any_more(bench: Bench) -> None:
    await bench.release(2)
    await bench.serve(2, 50, 50)
    await bench.serve(2, 0, 100, day=1)
    assert await bench.step(2) == []
    await bench.serve(2, 0, 100, day=2)
    assert await bench.step(3) == []


async def test_what_the_replaced_release_failed_as_well_is_said_and_not_asked(bench: Bench) -> None:
    await bench.serve(1, 20, 80)
    await bench.release(2, day=1)
    await bench.serve(2, 30, 70, day=1)
    assert await bench.step(2) == []
    assert "of an earlier release, too" in bench.shown()["error_rate"]
    await bench.release(3, NEWEST, OLD, day=2)
    assert await bench.step(3) == []
    assert bench.shown() == {}


async def test_a_death_between_failures_and_table_changes_nothing(bench: Bench) -> None:
    await bench.release(2)
    await bench.serve(2, 3, 97, kept=False)
    # The failures are there, what was answered beside them is not: no share can be told yet.
    assert await bench.step(1) == []
    await bench.serve(2, 3, 97)
    assert await bench.step(1) == []
    await bench.serve(2, 4, 0)
    store(bench.location, [served("end", [NOON], release=2, contract_digest=CONTRACT.digest)], start=bench.offset)
    (request,) = await bench.step(1)
    assert request.evidence["failed"] == 7


async def test_failures_in_the_future_wait_for_their_time(bench: Bench) -> None:
    await bench.release(2)
    await bench.serve(2, 50, 50, day=3)
    assert await bench.step(1) == []
    assert len(await bench.step(4)) == 1
