"""Judged blocks enter the evidence in order; an alarm is told once per epoch; a missing package stops nothing."""

import datetime as dt
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import select

from services.monitor.baseline import Baselines
from services.monitor.closing import Closing
from services.monitor.drift_store import DriftStore
from services.monitor.drifting import Drifting
from services.monitor.handlers import on_model_released, on_use_case_applied
from services.monitor.store import Contracts
from services.monitor.tables import DriftBlockRow, DriftEpochRow
from shared.events import DriftDetected, ModelReleased, PredictionServed, UseCaseApplied, from_record
from shared.package import PackageStore, Reference, ReferenceRow
from shared.spine.db import Database
from shared.spine.outbox import OutboxRow
from tests.containers import database_url
from tests.feedback.streams import happened, served, store
from tests.registry.toy import CLASSES, START, Toy, contract, make_toy

pytestmark = pytest.mark.slow

DAY = dt.timedelta(days=1)
SERVED = START + 60 * DAY
ROWS, REFERENCE_DAYS = 24, 30
CONTRACT = contract()


def chances_and_labels(day: int, wrong: float) -> tuple[list[float], list[str]]:
    random = np.random.default_rng(day)
    chances = random.beta(1 + random.random(), 3, ROWS)
    late = (random.random(ROWS) < chances) ^ (random.random(ROWS) < wrong)
    return chances.tolist(), [CLASSES[int(one)] for one in late]


def reference() -> Reference:
    rows: list[ReferenceRow] = []
    for day in range(REFERENCE_DAYS):
        for chance, label in zip(*chances_and_labels(day, 0.0), strict=True):
            time = START + day * DAY + len(rows) % ROWS * dt.timedelta(minutes=1)
            rows.append(
                ReferenceRow("oof", time.date().isoformat(), len(rows), time, (chance,), False, label, None, ROWS)
            )
    return Reference(tuple(rows))


REFERENCE = reference()


class Bench:
    """A monitor without Kafka, with packages in a real store."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.location = folder, folder / "feedback"
        self.packages = PackageStore(str(folder / "packages"))
        self.db = Database(database_url(folder / "monitor.db"))
        self.contracts, self.toys = Contracts(), folder / "toys"
        self.toys.mkdir()
        self.sequence = self.written = 0
        self.restart()

    def restart(self) -> None:
        self.contracts = Contracts()
        self.closing = Closing(self.db, self.location, self.contracts)
        baselines = Baselines(self.packages, self.folder / f"cache-{len(list(self.folder.iterdir()))}")
        self.drifting = Drifting(self.db, self.location, self.contracts, baselines)

    def package(self, seed: int = 0) -> Toy:
        toy = make_toy(self.toys, seed=seed, reference=REFERENCE)
        self.packages.put(toy.path, toy.digest)
        return toy

    async def apply_contract(self) -> None:
        event = UseCaseApplied.begin(
            source="registry", time=START, use_case="trains", contract_digest=CONTRACT.digest,
            contract=CONTRACT.to_json(), revision=1, changed=[], signed_by="desk",
        )  # fmt: skip
        await on_use_case_applied(event, self.db, self.contracts)

    async def release(self, toy: Toy, day: int) -> None:
        self.sequence += 1
        event = ModelReleased.begin(
            source="registry", time=SERVED + day * DAY - DAY / 2, use_case="trains", sequence=self.sequence,
            package_digest=toy.digest, behaviour_digest=toy.manifest.behaviour_digest,
            contract_digest=CONTRACT.digest, policy={}, cause="promotion", reason="better", released_by="registry",
        )  # fmt: skip
        await on_model_released(event, self.db)

    def serve(self, toy: Toy, days: range, wrong: float = 0.0, rows: int = ROWS) -> None:
        decisions: list[PredictionServed] = []
        outcomes = []
        for day in days:
            chances, labels = chances_and_labels(1000 + day, wrong)
            time, name = SERVED + day * DAY + DAY / 2, f"d{day}-{self.sequence}"
            event = served(
                name, [time] * rows, scores=chances[:rows], release=self.sequence, use_case="trains",
                contract_digest=CONTRACT.digest, decisions=["none"] * rows,
                numbers={"size": [9.0] * rows, "speed": [None] * rows},
            )  # fmt: skip
            decisions.append(event.model_copy(update={"package_digest": toy.digest}))
            known = {f"{name}/{place}": label for place, label in enumerate(labels[:rows])}
            outcomes.append(happened(known, time + DAY / 4, "trains"))
        store(self.location, decisions, outcomes, self.written)
        self.written += len(decisions)

    async def live(self, days: range) -> None:
        for day in days:
            now = SERVED + (day + 1) * DAY
            await self.closing.step(now)
            await self.drifting.step(now)

    async def told(self) -> list[DriftDetected]:
        async with self.db.read() as session:
            query = select(OutboxRow).where(OutboxRow.topic == "drift_detected").order_by(OutboxRow.id)
            return [from_record(DriftDetected, row.value, row.record().headers) for row in await session.scalars(query)]

    async def rows(self, kind: Any) -> list[Any]:
        async with self.db.read() as session:
            return list(await session.scalars(select(kind).order_by(kind.epoch)))


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    bench = Bench(tmp_path)
    await bench.db.create_tables()
    await bench.apply_contract()
    yield bench
    await bench.db.close()


async def test_a_worse_package_is_told_once_with_all_that_it_takes_to_judge_it(bench: Bench) -> None:
    toy = bench.package()
    await bench.release(toy, 0)
    bench.serve(toy, range(10), wrong=0.6)
    await bench.live(range(10))
    (event,) = await bench.told()
    assert (event.use_case, event.package_digest, event.release_sequence, event.epoch) == ("trains", toy.digest, 1, 1)
    assert event.unit == "day"
    assert event.alpha == pytest.approx(0.0304, abs=1e-4)
    assert event.e_value >= event.threshold
    assert event.signals["excess_loss"] > event.signals["score"]
    assert event.effect_size > 0.1
    assert event.estimated_cost_minor_per_block > 0
    assert [(one.name, one.distance > 0.9) for one in event.features] == [("size", True), ("speed", True)]
    assert "speed: not sent in 100.0% of the rows" in event.faults
    assert event.signals["cost_gap"] > 10
    assert (event.cost_rests_on, event.severity) == ("labels", "action")
    first, second = await bench.rows(DriftEpochRow)
    assert (first.alarm_block, first.event_id) == (event.block, event.id)
    assert (second.epoch, second.package_digest, second.alarm_block) == (2, toy.digest, None)
    detail = (await bench.drifting.detail())["trains"]
    assert detail["epoch"] == 2
    assert "speed: not sent in 100.0% of the rows" in detail["faults"]
    assert detail["cost_gap_e_value"] is not None


async def test_the_same_steps_again_after_a_restart_change_nothing(bench: Bench) -> None:
    toy = bench.package()
    await bench.release(toy, 0)
    bench.serve(toy, range(3))
    await bench.live(range(3))
    before = [(row.block, row.e_value, row.statistics) for row in await bench.rows(DriftBlockRow)]
    assert len(before) == 3
    bench.restart()
    await bench.live(range(2, 3))
    assert [(row.block, row.e_value, row.statistics) for row in await bench.rows(DriftBlockRow)] == before
    assert await bench.told() == []


async def test_another_package_begins_an_epoch_and_another_policy_does_not(bench: Bench) -> None:
    one, two = bench.package(0), bench.package(1)
    for day, toy in enumerate((one, one, two)):
        await bench.release(toy, day)
        bench.serve(toy, range(day, day + 1))
        await bench.live(range(day, day + 1))
    found = [(row.epoch, row.package_digest == two.digest) for row in await bench.rows(DriftEpochRow)]
    assert found == [(1, False), (2, True)]
    assert [row.epoch for row in await bench.rows(DriftBlockRow)] == [1, 1, 2]


async def test_a_block_counts_for_the_package_that_served_most_of_it(bench: Bench) -> None:
    one, two = bench.package(0), bench.package(1)
    await bench.release(one, 0)
    bench.serve(one, range(1), rows=16)
    await bench.release(two, 1)
    bench.serve(two, range(1), rows=12)
    bench.serve(two, range(1, 2))
    await bench.live(range(2))
    assert [(row.block, row.epoch) for row in await bench.rows(DriftBlockRow)] == [("2013-03-03", 1)]


async def test_a_package_that_is_away_cannot_be_judged_now_and_is_judged_later(bench: Bench) -> None:
    toy = bench.package()
    await bench.release(toy, 0)
    bench.serve(toy, range(2))
    place, hidden = bench.folder / "packages" / toy.digest, bench.folder / "hidden"
    shutil.move(place, hidden)
    await bench.live(range(1))
    assert await bench.rows(DriftBlockRow) == []
    assert "cannot be read" in (await bench.drifting.detail())["trains"]["cannot_be_judged"]
    shutil.move(hidden, place)
    await bench.live(range(1, 2))
    assert len(await bench.rows(DriftBlockRow)) == 2
    assert (await bench.drifting.detail())["trains"]["cannot_be_judged"] is None


async def test_blocks_wait_for_earlier_ones_that_are_not_judged_yet(bench: Bench) -> None:
    toy = bench.package()
    await bench.release(toy, 0)
    silent = served(
        "silent", [SERVED + DAY / 2], use_case="trains", contract_digest=CONTRACT.digest, release=1
    ).model_copy(update={"package_digest": toy.digest})
    store(bench.location, [silent], start=0)
    bench.written = 1
    bench.serve(toy, range(1, 2))
    async with bench.db.read() as session:
        assert await DriftStore(session).list_waiting("trains") == []
    await bench.closing.step(SERVED + 1.5 * DAY)
    await bench.drifting.step(SERVED + 1.5 * DAY)
    assert await bench.rows(DriftBlockRow) == []
    await bench.live(range(1, 2))
    rows = await bench.rows(DriftBlockRow)
    assert [(row.block, row.reason is None) for row in rows] == [("2013-03-02", False), ("2013-03-03", True)]
