"""Blocks close by the clock, are reported once per change, and judged once for ever."""

import datetime as dt
import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from services.monitor import closing
from services.monitor.closing import Closing
from services.monitor.handlers import on_use_case_applied
from services.monitor.store import BlockStore, Contracts
from shared.contract.schema import Contract
from shared.events import KpiReported, UseCaseApplied, from_record
from shared.spine.db import Database
from shared.spine.outbox import OutboxRow
from tests.containers import database_url
from tests.feedback.contracts import flights_contract
from tests.feedback.streams import NOON, happened, served, store

HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)
MIDNIGHT = NOON.replace(hour=0) + DAY
CONTRACT = flights_contract()


def flight(request_id: str, time: dt.datetime = NOON, **changes: Any) -> Any:
    return served(request_id, [time], contract_digest=CONTRACT.digest, **changes)


class Bench:
    """A monitor without Kafka: tables are written by hand, reports are read from the outbox."""

    def __init__(self, folder: Path) -> None:
        self.location = folder / "feedback"
        self.db = Database(database_url(folder / "monitor.db"))
        self.restart()

    def restart(self) -> None:
        self.contracts = Contracts()
        self.closing = Closing(self.db, self.location, self.contracts)

    async def apply_contract(self, contract: Contract = CONTRACT) -> None:
        event = UseCaseApplied.begin(
            source="registry", time=NOON, use_case=contract.use_case, contract_digest=contract.digest,
            contract=contract.to_json(), revision=1, changed=[], signed_by="desk",
        )  # fmt: skip
        await on_use_case_applied(event, self.db, self.contracts)

    async def step(self, days: float) -> list[KpiReported]:
        before = len(await self.reports())
        await self.closing.step(MIDNIGHT + days * DAY)
        return (await self.reports())[before:]

    async def reports(self) -> list[KpiReported]:
        async with self.db.read() as session:
            rows = list(await session.scalars(select(OutboxRow).order_by(OutboxRow.id)))
        return [from_record(KpiReported, row.value, row.record().headers) for row in rows]

    async def judged(self) -> dict[str, Any]:
        async with self.db.read() as session:
            return {row.block: row.judged for row in await BlockStore(session).list_judged("flights")}


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    bench = Bench(tmp_path)
    await bench.db.create_tables()
    await bench.apply_contract()
    yield bench
    await bench.db.close()


def told(reports: Sequence[KpiReported]) -> list[tuple[str, int, str, int]]:
    return [(report.block, report.revision, report.status, report.labelled) for report in reports]


async def test_a_step_without_tables_or_blocks_does_nothing(bench: Bench) -> None:
    assert await bench.step(0) == []


async def test_a_block_is_reported_when_it_has_ended_and_not_before(bench: Bench) -> None:
    store(bench.location, [flight("a")], [happened({"a/0": "late"})])
    assert await bench.step(-0.1) == []
    assert told(await bench.step(0)) == [("2013-03-01", 1, "judged", 1)]


async def test_a_use_case_whose_rows_cannot_be_read_keeps_no_other_from_closing(bench: Bench) -> None:
    trains = flights_contract(use_case="trains")
    await bench.apply_contract(trains)
    train = served("b", [NOON], use_case="trains", contract_digest=trains.digest)
    store(bench.location, [flight("a"), train])
    assert await bench.step(-0.1) == []
    [lost] = (bench.location / "decisions" / "use_case=flights").rglob("*.parquet")
    kept = lost.rename(lost.with_suffix(".away"))
    for _ in range(2):
        with pytest.raises(OSError, match="No such file"):
            await bench.step(0)
    assert [report.use_case for report in await bench.reports()] == ["trains"]
    kept.rename(lost)
    assert [report.use_case for report in await bench.step(0)] == ["flights"]


async def test_the_same_step_twice_changes_nothing(bench: Bench) -> None:
    store(bench.location, [flight("a")])
    assert len(await bench.step(0)) == 1
    assert await bench.step(0) == []
    bench.restart()
    assert await bench.step(0) == []
    assert await bench.step(0.5) == []


async def test_time_alone_judges_and_gives_up(bench: Bench) -> None:
    store(bench.location, [flight("a"), flight("b")], [happened({"a/0": "late"})])
    seen = [told(await bench.step(days)) for days in range(9)]
    assert [reports[0][1:3] for reports in seen if reports] == [(1, "closed"), (2, "judged"), (3, "given_up")]
    assert [bool(reports) for reports in seen] == [True, False, True, False, False, False, False, True, False]


async def test_a_late_label_corrects_the_report_and_never_what_was_judged(bench: Bench) -> None:
    store(bench.location, [flight("a"), flight("b")], [happened({"a/0": "late"})])
    first, second = [*await bench.step(0), *await bench.step(2)]
    kept = await bench.judged()
    store(bench.location, outcomes=[happened({"b/0": "on_time"}, NOON + 40 * DAY)], start=1)
    (third,) = await bench.step(60)
    assert (first.replaces, second.replaces, third.replaces) == (None, first.id, second.id)
    assert (second.cost_minor, third.cost_minor, third.labelled, third.status) == (0, 100, 2, "judged")
    assert await bench.judged() == kept
    assert kept["2013-03-01"]["labelled"] == 1


async def test_a_correction_of_a_very_old_label_finds_its_block(bench: Bench) -> None:
    store(bench.location, [flight("a")], [happened({"a/0": "late"})])
    await bench.step(0)
    store(bench.location, outcomes=[happened({"a/0": "on_time"}, NOON + 300 * DAY)], start=1)
    assert told(await bench.step(301)) == [("2013-03-01", 2, "judged", 1)]


async def test_an_outcome_told_ahead_of_its_time_counts_when_it_is_known(bench: Bench) -> None:
    store(bench.location, [flight("a")], [happened({"a/0": "late"}, NOON + DAY)])
    assert [told(await bench.step(days)) for days in (0, 1, 2)] == [
        [("2013-03-01", 1, "closed", 0)],
        [("2013-03-01", 2, "judged", 1)],
        [],
    ]


async def test_a_label_before_its_prediction_arrived_is_found_with_it(bench: Bench) -> None:
    store(bench.location, outcomes=[happened({"a/0": "late"})])
    assert await bench.step(0) == []
    store(bench.location, [flight("a")])
    assert told(await bench.step(1)) == [("2013-03-01", 1, "judged", 1)]


async def test_on_the_wall_clock_corrections_may_wait_while_matching_is_dear_and_nothing_else_does(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr(closing, "monotonic", lambda: now)
    bench.closing = Closing(bench.db, bench.location, bench.contracts, patient=True)
    store(bench.location, [flight("a")])
    await bench.step(0)
    bench.closing._outcomes_after = 60.0
    later = [flight("b", NOON + DAY)]
    store(
        bench.location, later, [happened({"a/0": "late"}, NOON + DAY), happened({"b/0": "late"}, NOON + DAY)], start=1
    )
    # The block that ends now is counted with its label; only the correction of the older one waits.
    assert told(await bench.step(1)) == [("2013-03-02", 1, "judged", 1)]
    now = 60.0
    assert told(await bench.step(1.1)) == [("2013-03-01", 2, "judged", 1)]
    assert await bench.step(1.2) == []


async def test_duplicates_and_outcomes_of_strangers_change_no_number(bench: Bench) -> None:
    store(bench.location, [flight("a")], [happened({"a/0": "late"})])
    await bench.step(0)
    store(bench.location, [flight("a")], [happened({"a/0": "late"}), happened({"x/7": "late"})], start=1)
    assert await bench.step(1) == []


async def test_a_block_is_kept_per_release(bench: Bench) -> None:
    store(bench.location, [flight("a", release=1), flight("b", release=2)], [happened({"a/0": "late", "b/0": "late"})])
    assert [(report.release_sequence, report.volume) for report in await bench.step(0)] == [(1, 1), (2, 1)]


async def test_blocks_wait_for_a_contract_that_comes_later(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    await bench.db.create_tables()
    store(bench.location, [flight("a")])
    assert await bench.step(0) == []
    await bench.apply_contract()
    assert told(await bench.step(1)) == [("2013-03-01", 1, "closed", 0)]
    await bench.db.close()


async def test_ids_and_numbers_do_not_depend_on_commit_boundaries_or_restarts(tmp_path: Path) -> None:
    days = range(4)
    events = [flight(f"r{i}", NOON + i % 4 * DAY, decisions=[("act", "none")[i % 2]]) for i in range(20)]
    events.sort(key=lambda event: event.time)
    labels = [happened({f"r{i}/0": "late"}, NOON + (i % 4 + i % 3) * DAY) for i in range(0, 20, 2)]
    labels.sort(key=lambda event: event.time)
    seen = []
    for pieces in (1, 3):
        bench = Bench(tmp_path / str(pieces))
        await bench.db.create_tables()
        await bench.apply_contract()
        offset = {"decisions": 0, "outcomes": 0}
        for day in days:
            today = [event for event in events if event.time.date() == (NOON + day * DAY).date()]
            known = [event for event in labels if event.time.date() == (NOON + day * DAY).date()]
            for i in range(pieces):
                if pieces > 1:
                    bench.restart()
                    await bench.step(day - 1)
                part, news = today[i::pieces], known[i::pieces]
                store(bench.location, part, start=offset["decisions"])
                store(bench.location, outcomes=news, start=offset["outcomes"])
                offset["decisions"] += len(part)
                offset["outcomes"] += len(news)
            await bench.step(day)
        for day in (5, 10, 20):
            await bench.step(day)
        seen.append([json.loads(report.model_dump_json()) for report in await bench.reports()])
        await bench.db.close()
    assert len(seen[0]) > 4
    final = [{(one["block"], one["release_sequence"]): one["value_minor"] for one in reports} for reports in seen]
    assert final[0] == final[1]
    assert seen[0] == seen[1]
