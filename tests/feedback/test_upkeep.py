"""Upkeep loses no row and no offset, whoever writes meanwhile and wherever it is killed."""

import datetime as dt
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from shared.feedback import upkeep
from shared.feedback.joined import joined, table_versions
from shared.feedback.rows import Placed, decision_rows
from shared.feedback.table import FeedbackTable
from shared.feedback.upkeep import compact, forget, vacuum
from shared.spine.clock import monotonic
from tests.feedback.streams import NOON, happened, served, store

KEY = ("prediction_served", 0)
DAY = dt.timedelta(days=1)
COMPACT_FOR_EVER = """
import sys
from shared.feedback.table import FeedbackTable
from shared.feedback.upkeep import compact
table = FeedbackTable(sys.argv[1], "decisions")
while True:
    print(compact(table, 1), flush=True)
"""


@pytest.fixture
def table(tmp_path: Path) -> FeedbackTable:
    return FeedbackTable(tmp_path, "decisions")


def fill(location: Path, commits: int, start: int = 0) -> None:
    for i in range(start, start + commits):
        store(location, [served(f"r{i}", [NOON + i % 2 * DAY])], start=i)


def files_of(table: FeedbackTable) -> int:
    return len(_files_of(table))


def test_compaction_joins_files_and_loses_no_row_and_no_offset(tmp_path: Path, table: FeedbackTable) -> None:
    fill(tmp_path, 12)
    before, version = table.scan().collect().sort("kafka_offset"), table.version()
    assert (compact(table, 10), table.version()) == (0, version)
    assert compact(table, 3) == 2
    assert table.scan().collect().sort("kafka_offset").equals(before)
    assert table.scan(version=version).collect().height == 12
    assert table.offsets([KEY]) == {KEY: 12}
    assert files_of(table) == 2
    assert compact(table, 3) == 0


def test_files_from_before_a_feature_are_joined_with_those_from_after(tmp_path: Path, table: FeedbackTable) -> None:
    numbers: list[dict[str, list[float | None]]] = [{"distance": [1.0]}, {"seats": [2.0]}, {"distance": [3.0]}]
    for i, given in enumerate(numbers):
        store(tmp_path, [served(f"r{i}", numbers=given)], start=i)
    assert compact(table, 2) == 1
    rows = table.scan().collect().sort("kafka_offset")
    assert rows.select("num_distance", "num_seats").rows() == [(1.0, None), (None, 2.0), (3.0, None)]
    assert rows["scores"].to_list() == [[0.5]] * 3


def test_offsets_outlive_checkpoints_compaction_and_vacuum_and_the_next_append_goes_on(
    tmp_path: Path, table: FeedbackTable
) -> None:
    fill(tmp_path, 25)
    compact(table, 1)
    vacuum(table, 0)
    again = decision_rows([Placed(served(f"r{i}"), 0, i) for i in range(25)])
    assert table.append(again, {KEY: 25}) == 0
    fill(tmp_path, 3, start=25)
    assert FeedbackTable(tmp_path, "decisions").offsets([KEY]) == {KEY: 28}
    assert sorted(table.scan().collect()["kafka_offset"]) == list(range(28))


def test_a_version_younger_than_the_time_kept_stays_readable_and_an_older_one_goes(
    tmp_path: Path, table: FeedbackTable
) -> None:
    store(tmp_path, outcomes=[happened({"r0/0": "late"})])
    fill(tmp_path, 8)
    pinned = table_versions(tmp_path)
    before = joined(tmp_path, "flights", NOON + 9 * DAY, version=pinned)
    compact(table, 1)
    assert vacuum(table, 24) == 0
    assert joined(tmp_path, "flights", NOON + 9 * DAY, version=pinned).equals(before)
    assert vacuum(table, 0) == 8
    with pytest.raises(FileNotFoundError):
        table.scan(version=pinned.decisions).collect()
    assert joined(tmp_path, "flights", NOON + 9 * DAY).equals(before)


def test_a_vacuum_that_finds_nothing_commits_nothing(tmp_path: Path, table: FeedbackTable) -> None:
    assert vacuum(table, 0) == compact(table, 1) == 0
    assert not forget(table, NOON.date())
    fill(tmp_path, 2)
    version = table.version()
    assert vacuum(table, 0) == 0
    assert table.version() == version


def test_old_days_go_whole_and_offsets_stay(tmp_path: Path, table: FeedbackTable) -> None:
    fill(tmp_path, 6)
    assert not forget(table, NOON.date())
    assert forget(table, NOON.date() + DAY)
    assert not forget(table, NOON.date() + DAY)
    assert set(table.scan().collect()["event_day"]) == {NOON.date() + DAY}
    assert table.offsets([KEY]) == {KEY: 6}


def test_a_member_that_appends_meanwhile_loses_nothing(tmp_path: Path, table: FeedbackTable) -> None:
    fill(tmp_path, 6)
    done = threading.Event()

    def tidy() -> None:
        own = FeedbackTable(tmp_path, "decisions")
        while not done.is_set():
            compact(own, 1)

    keeper = threading.Thread(target=tidy)
    keeper.start()
    fill(tmp_path, 30, start=6)
    done.set()
    keeper.join()
    assert sorted(table.scan().collect()["kafka_offset"]) == list(range(36))
    assert table.offsets([KEY]) == {KEY: 36}


def test_of_two_that_join_the_same_files_the_second_leaves_them_alone(tmp_path: Path, table: FeedbackTable) -> None:
    fill(tmp_path, 16)
    keepers = [threading.Thread(target=compact, args=(FeedbackTable(tmp_path, "decisions"), 1)) for _ in range(4)]
    for keeper in keepers:
        keeper.start()
    for keeper in keepers:
        keeper.join()
    assert sorted(table.scan().collect()["kafka_offset"]) == list(range(16))


def test_large_files_are_left_alone_and_small_ones_are_joined_in_parts(
    tmp_path: Path, table: FeedbackTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    for i in range(12):
        store(tmp_path, [served(f"r{i}")], start=i)
    size = max(path.stat().st_size for path in _parquet_files(tmp_path))
    monkeypatch.setattr(upkeep, "JOIN_BYTES", 4 * size)
    monkeypatch.setattr(upkeep, "LARGE_BYTES", size + 1)
    assert (compact(table, 3), files_of(table)) == (1, 3)
    joined = set(_files_of(table))
    assert compact(table, 2) == 0, "they are large now"
    for i in range(12, 16):
        store(tmp_path, [served(f"r{i}")], start=i)
    assert compact(table, 3) == 1
    assert joined < set(_files_of(table))
    assert sorted(table.scan().collect()["kafka_offset"]) == list(range(16))


def test_records_that_lie_between_those_that_are_joined_are_not_lost(
    tmp_path: Path, table: FeedbackTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    placed = [Placed(served(f"r{i}-{k}"), k, i) for i in range(12) for k in range(2)]
    for part in (placed[:4], placed[4:20], placed[20:]):
        table.append(decision_rows(part), {("prediction_served", k): part[-1].offset + 1 for k in range(2)})
    sizes = sorted(path.stat().st_size for path in _parquet_files(tmp_path))
    monkeypatch.setattr(upkeep, "LARGE_BYTES", sizes[-1])
    assert compact(table, 1) == 1
    rows = table.scan().collect()
    assert sorted(rows["request_id"]) == sorted(one.event.request_id for one in placed)


@pytest.mark.slow
@pytest.mark.parametrize("moment", [0.0, 0.01, 0.03])
def test_killed_in_the_middle_it_leaves_the_table_as_it_was_or_as_it_shall_be(tmp_path: Path, moment: float) -> None:
    fill(tmp_path, 20)
    table = FeedbackTable(tmp_path, "decisions")
    known, pause = _parquet_files(tmp_path), threading.Event()
    keeper = subprocess.Popen([sys.executable, "-c", COMPACT_FOR_EVER, str(tmp_path)], stdout=subprocess.DEVNULL)
    deadline = monotonic() + 60
    while _parquet_files(tmp_path) == known and monotonic() < deadline:
        pause.wait(0.0005)
    pause.wait(moment)
    os.kill(keeper.pid, signal.SIGKILL)
    assert keeper.wait() == -signal.SIGKILL
    assert _parquet_files(tmp_path) != known
    assert sorted(FeedbackTable(tmp_path, "decisions").scan().collect()["kafka_offset"]) == list(range(20))
    assert table.offsets([KEY]) == {KEY: 20}
    fill(tmp_path, 2, start=20)
    compact(table, 1)
    assert vacuum(table, 0) > 0
    assert len(_parquet_files(tmp_path)) == files_of(table) == 2
    assert sorted(table.scan().collect()["kafka_offset"]) == list(range(22))


def _files_of(table: FeedbackTable) -> list[str]:
    opened = table.open()
    assert opened is not None
    return opened.file_uris()


def _parquet_files(location: Path) -> set[Path]:
    """Rows, not checkpoints."""
    return set(location.rglob("part-*.parquet"))
