"""The tables are tidied on the clock, nothing waits for it, and no report changes by it."""

import datetime as dt
from pathlib import Path
from typing import Any

import pytest

from headrace.embedded_kafka import EmbeddedKafka
from services.monitor.closing import Closing
from services.monitor.settings import MonitorSettings
from services.monitor.store import Contracts
from services.monitor.tidying import Tidying, is_whole, kept_from
from shared.feedback.table import FeedbackTable
from shared.spine.topics import provision
from tests.feedback.streams import NOON, happened, served, store
from tests.monitor.test_closing import CONTRACT, DAY, MIDNIGHT, Bench, flight
from tests.monitor.test_ingest import Lab, advanced, until_closed


def settings(location: Path, **changes: Any) -> MonitorSettings:
    return MonitorSettings.model_validate({"feedback_url": str(location), "monitor_compact_files": 2, **changes})


def contracts() -> Contracts:
    found = Contracts()
    found.put(CONTRACT.digest, CONTRACT.to_json())
    return found


def fill(location: Path, commits: int = 6) -> FeedbackTable:
    for i in range(commits):
        store(location, [flight(f"r{i}")], [happened({f"r{i}/0": "late"})], start=i)
    return FeedbackTable(location, "decisions")


async def test_crowded_days_are_joined_once_and_the_next_look_waits(tmp_path: Path) -> None:
    table, tidying = fill(tmp_path), Tidying(settings(tmp_path), contracts())
    await tidying.step(MIDNIGHT)
    joined = table.version()
    assert joined == 7
    for i in range(6, 9):
        store(tmp_path, [flight(f"r{i}")], start=i)
    await tidying.step(MIDNIGHT + dt.timedelta(seconds=299))
    assert table.version() == joined + 3
    await tidying.step(MIDNIGHT + dt.timedelta(seconds=300))
    assert table.version() == joined + 4
    assert table.offsets([("prediction_served", 0)]) == {("prediction_served", 0): 9}


async def test_a_store_that_is_away_is_left_to_the_next_look(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    table = fill(tmp_path)
    log = tmp_path / "decisions" / "_delta_log"
    log.rename(tmp_path / "away")
    log.write_text("no folder")
    tidying = Tidying(settings(tmp_path), contracts())
    await tidying.step(MIDNIGHT)
    assert "the tables are tidied later" in caplog.text
    log.unlink()
    (tmp_path / "away").rename(log)
    await tidying.step(MIDNIGHT + DAY)
    assert table.version() == 7


def test_what_a_label_may_still_change_is_kept_however_short_the_setting() -> None:
    assert kept_from(MIDNIGHT, None, contracts()) is None
    assert kept_from(MIDNIGHT, 30, contracts()) == (MIDNIGHT - 30 * DAY).date()
    # The flights give up a label after seven days.
    assert kept_from(MIDNIGHT, 1, contracts()) == (MIDNIGHT - 9 * DAY).date()


def test_a_local_day_is_whole_while_its_neighbours_in_utc_are_kept() -> None:
    assert [is_whole("2013-03-02", first) for first in (None, dt.date(2013, 3, 1), dt.date(2013, 3, 2))] == [
        True,
        True,
        False,
    ]


@pytest.fixture
async def bench(tmp_path: Path) -> Any:
    bench = Bench(tmp_path)
    await bench.db.create_tables()
    await bench.apply_contract()
    yield bench
    await bench.db.close()


async def test_reports_are_the_same_whether_the_tables_are_tidied_at_every_step_or_never(
    bench: Bench, tmp_path: Path
) -> None:
    other = Bench(tmp_path / "other")
    await other.db.create_tables()
    await other.apply_contract()
    tidying = Tidying(settings(bench.location, monitor_compact_files=1), contracts())
    for number in range(6):
        for one in (bench, other):
            time = NOON + number // 2 * DAY
            told = [happened({f"r{number - 1}/0": "late"}, time)] if number else []
            store(one.location, [flight(f"r{number}", time)], told, start=number)
        assert [r.value_minor for r in await bench.step(number)] == [r.value_minor for r in await other.step(number)]
        await tidying.step(MIDNIGHT + number * DAY)
    mine, theirs = await bench.reports(), await other.reports()
    assert len(mine) > 6
    assert [one.model_dump() for one in mine] == [one.model_dump() for one in theirs]
    assert FeedbackTable(bench.location, "decisions").version() != FeedbackTable(other.location, "decisions").version()
    await other.db.close()


async def test_a_report_stands_when_its_rows_are_gone(bench: Bench) -> None:
    late = NOON.replace(hour=23) + dt.timedelta(hours=3)
    for start, time in enumerate((NOON, late)):
        store(bench.location, [flight(f"r{start}", time, block="2013-03-01")], start=start)
    bench.closing = Closing(bench.db, bench.location, bench.contracts, keep_days=30)
    assert [(one.block, one.volume) for one in await bench.step(1)] == [("2013-03-01", 2)]
    now = MIDNIGHT + 30 * DAY
    tidying = Tidying(settings(bench.location, monitor_keep_days=30), contracts())
    await bench.step(9)
    await tidying.step(now)
    assert FeedbackTable(bench.location, "decisions").scan().collect()["request_id"].to_list() == ["r1"]
    store(bench.location, outcomes=[happened({"r1/0": "late"}, now)], start=2)
    assert await bench.step(30.5) == []


@pytest.mark.kafka
async def test_a_running_monitor_tidies_what_it_writes_and_goes_on_from_there(
    kafka_node: EmbeddedKafka, tmp_path: Path
) -> None:
    lab = Lab(kafka_node.start(), tmp_path / "home")
    lab.given |= {"monitor_compact_files": "1"}
    await provision(lab.options)
    table = FeedbackTable(tmp_path / "home" / "feedback", "decisions")
    for number in range(4):
        async with lab.running() as monitor:
            for part in range(2):
                now = MIDNIGHT + dt.timedelta(hours=2 * number + part)
                await lab.publish(served(f"r{number}-{part}", [NOON] * 5), advanced(now))
                await until_closed(monitor, now)
    assert sorted(lab.table()["prediction_id"]) == sorted(
        f"r{number}-{part}/{place}" for number in range(4) for part in range(2) for place in range(5)
    )
    opened = table.open()
    assert opened is not None
    assert len(opened.file_uris()) == 1
    assert table.scan().collect().height == 40
