"""From labels to a request for a rollback, on a real database and real tables; the test plays trainer and registry."""

import datetime as dt
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TypeVar

import pytest
from sqlalchemy import select

from services.monitor.closing import Closing
from services.monitor.handlers import on_model_released, on_package_evaluated, on_use_case_applied
from services.monitor.rollbacks import Rollbacks
from services.monitor.store import Contracts
from shared.contract.schema import Contract
from shared.events import (
    CATALOGUE,
    Event,
    KpiReported,
    ModelReleased,
    PackageEvaluated,
    RollbackRequested,
    UseCaseApplied,
    from_record,
)
from shared.spine.db import Database
from shared.spine.outbox import OutboxRow
from tests.containers import database_url
from tests.feedback.streams import BEHAVIOUR, NOON, PACKAGE, happened, served, store
from tests.monitor.contracts import watched_contract

pytestmark = pytest.mark.slow

E = TypeVar("E", bound=Event)
DAY = dt.timedelta(days=1)
MIDNIGHT = NOON.replace(hour=0)
TARGET = "d" * 64
# Labels come three days after the block, and a block is judged when they are there.
LATE = watched_contract(label={
    "name": "late", "classes": ["on_time", "late"], "mature_after": "5d", "give_up_after": "7d",
})  # fmt: skip


class Bench:
    """A monitor without Kafka; days are counted from 1 March 2013."""

    def __init__(self, folder: Path, contract: Contract = LATE) -> None:
        self.location, self.contract = folder / "feedback", contract
        self.db = Database(database_url(folder / "monitor.db"))
        self.evaluated: set[str] = set()
        self.restart()

    def restart(self) -> None:
        self.contracts = Contracts()
        self.closing = Closing(self.db, self.location, self.contracts)
        self.rollbacks = Rollbacks(self.db, self.contracts)

    async def apply(self) -> None:
        event = UseCaseApplied.begin(
            source="registry", time=MIDNIGHT - DAY, use_case="flights", contract_digest=self.contract.digest,
            contract=self.contract.to_json(), revision=1, changed=[], signed_by="desk",
        )  # fmt: skip
        await on_use_case_applied(event, self.db, self.contracts)

    async def release(self, sequence: int, day: float = 0, target: str | None = TARGET) -> None:
        event = ModelReleased.begin(
            source="registry", time=MIDNIGHT + day * DAY, use_case="flights", sequence=sequence,
            package_digest=PACKAGE, behaviour_digest=BEHAVIOUR, contract_digest=self.contract.digest, policy={},
            cause="person", reason="a try", released_by="ada", rollback_target=target,
        )  # fmt: skip
        await on_model_released(event, self.db)

    def serve(self, days: int, decision: str = "none", labels_after: int = 3, release: int = 1, first: int = 0) -> None:
        """Two flights a day; one of them will be late, and to miss it costs 5.00."""
        predicted, outcomes = [], []
        for day in range(first, first + days):
            noon = NOON + day * DAY
            predicted.append(
                served(
                    f"r{day}", [noon, noon], decisions=[decision] * 2, release=release,
                    contract_digest=self.contract.digest,
                )
            )  # fmt: skip
            labels = {f"r{day}/0": "late", f"r{day}/1": "on_time"}
            outcomes.append(happened(labels, noon + labels_after * DAY))
        store(self.location, predicted, outcomes, start=1000 * first)

    async def step(self, day: float, target_minor: int = 100) -> list[RollbackRequested]:
        """The clock moves to the midnight after so many days; then the trainer scores what was judged."""
        before = len(await self.said(RollbackRequested))
        now = MIDNIGHT + day * DAY
        await self.closing.step(now)
        await self.rollbacks.step(now)
        for report in await self.said(KpiReported):
            if report.mature and report.block not in self.evaluated:
                self.evaluated.add(report.block)
                await self.evaluate(report, target_minor, now)
        return (await self.said(RollbackRequested))[before:]

    async def evaluate(self, report: KpiReported, target_minor: int, now: dt.datetime) -> None:
        event = PackageEvaluated.follow(
            report, TARGET, source="trainer", time=now, use_case="flights", package_digest=TARGET,
            behaviour_digest=BEHAVIOUR, contract_digest=report.contract_digest, role="rollback_target",
            block=report.block, volume=report.volume, labelled=report.labelled, cost_minor=target_minor,
            cost_without_model_minor=500, value_minor=500 - target_minor, served_cost_minor=report.cost_minor,
            decisions={},
        )  # fmt: skip
        await on_package_evaluated(event, self.db)

    async def said(self, kind: type[E]) -> list[E]:
        async with self.db.read() as session:
            rows = await session.scalars(select(OutboxRow).where(OutboxRow.topic == kind.topic).order_by(OutboxRow.id))
            return [from_record(kind, row.value, row.record().headers) for row in rows]


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    bench = Bench(tmp_path)
    await bench.db.create_tables()
    await bench.apply()
    yield bench
    await bench.db.close()


async def steps(bench: Bench, first: int, last: int) -> dict[int, list[RollbackRequested]]:
    """The days on which a rollback was asked for."""
    asked = {day: await bench.step(day) for day in range(first, last + 1)}
    return {day: requests for day, requests in asked.items() if requests}


async def test_labels_three_blocks_late_take_a_release_back_with_kpi_interval_and_blocks(bench: Bench) -> None:
    await bench.release(1)
    bench.serve(12)
    asked = await steps(bench, 1, 14)
    # Nine blocks at the clip suffice; the ninth ends on day 9, its labels are there at the step of day 12 …
    # … the trainer scores it then, and the step after that decides.
    assert list(asked) == [13]
    (request,) = asked[13]
    assert (request.release_sequence, request.kpi, request.requested_by) == (1, "regret", "monitor")
    assert "regret is 0.5000 USD per case" in request.reason
    assert "9 blocks, 2013-03-01 to 2013-03-09" in request.reason
    assert request.evidence["lower_bound"] > 0
    assert (request.evidence["first_block"], request.evidence["last_block"]) == (20130301, 20130309)
    evaluations = [e for e in await bench.said(KpiReported) if e.block == "2013-03-09" and e.mature]
    assert request.correlation_id == evaluations[0].correlation_id


async def test_one_request_per_cooldown_and_the_same_step_again_asks_nothing_anew(bench: Bench) -> None:
    await bench.release(1)
    bench.serve(22)
    assert list(await steps(bench, 1, 13)) == [13]
    bench.restart()
    assert await bench.step(13) == []
    asked = await steps(bench, 14, 22)
    assert list(asked) == [20]
    assert asked[20][0].evidence["blocks"] == 16


async def test_the_event_is_the_same_whoever_computes_it(tmp_path: Path) -> None:
    ids = set()
    for name in ("one", "other"):
        bench = Bench(tmp_path / name)
        await bench.db.create_tables()
        await bench.apply()
        await bench.release(1)
        bench.serve(12)
        ids.add((await steps(bench, 1, 14))[13][0].id)
        await bench.db.close()
    assert len(ids) == 1


async def test_an_immature_block_never_counts_and_holds_back_what_follows(bench: Bench) -> None:
    await bench.release(1)
    bench.serve(1, labels_after=30)
    bench.serve(8, first=1, labels_after=0)
    assert await steps(bench, 1, 6) == {}
    assert bench.rollbacks.detail()["flights"]["judged"] is False
    # The first block has no labels at all, and is mature without them on day 6.
    await bench.step(7)
    assert bench.rollbacks.detail()["flights"]["blocks"] == 5


async def test_a_block_that_began_before_the_release_is_not_whole(bench: Bench) -> None:
    await bench.release(1, day=0.25)
    bench.serve(4, labels_after=0)
    await steps(bench, 1, 5)
    assert bench.rollbacks.detail()["flights"]["blocks"] == 3


async def test_a_new_release_begins_with_no_evidence(bench: Bench) -> None:
    await bench.release(1)
    bench.serve(8, labels_after=0)
    await steps(bench, 1, 9)
    assert bench.rollbacks.detail()["flights"]["e_value"] > 50
    await bench.release(2, day=9)
    bench.serve(2, labels_after=0, release=2, first=9)
    assert await steps(bench, 10, 12) == {}
    assert bench.rollbacks.detail()["flights"]["blocks"] == 2


async def test_a_ceiling_broken_without_regret_is_an_incident_and_no_rollback(bench: Bench) -> None:
    await bench.release(1)
    bench.serve(12, labels_after=0)
    for day in range(1, 15):
        assert await bench.step(day, target_minor=500) == []
    reports = await bench.said(KpiReported)
    assert all("cost_per_case is 2.5, above its ceiling 0.45" in report.incidents for report in reports)


async def test_a_release_without_rollback_target_is_not_judged(bench: Bench) -> None:
    await bench.release(1, target=None)
    bench.serve(12, labels_after=0)
    assert await steps(bench, 1, 14) == {}
    assert "no rollback target" in bench.rollbacks.detail()["flights"]["reason"]


async def test_the_first_word_on_a_block_counts(bench: Bench) -> None:
    await bench.release(1)
    bench.serve(1, labels_after=0)
    await bench.step(1)
    (report,) = await bench.said(KpiReported)
    await bench.evaluate(report.model_copy(update={"id": "another"}), 100_000, MIDNIGHT + DAY)
    await bench.step(2)
    assert bench.rollbacks.detail()["flights"]["mean"] == 0.5


def test_the_monitor_is_named_as_one_who_asks() -> None:
    assert CATALOGUE["rollback_requested"].publishers == ("monitor", "any service")
