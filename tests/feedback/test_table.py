"""Appends carry their offsets; nothing is lost or doubled whatever happens between them."""

import datetime as dt
import threading
from pathlib import Path

import pytest
from deltalake import CommitProperties, Transaction, write_deltalake

from shared.feedback.rows import Placed, decision_rows
from shared.feedback.schema import DECISIONS
from shared.feedback.table import Days, FeedbackTable
from tests.feedback.streams import NOON, served

KEY = ("prediction_served", 0)


@pytest.fixture
def table(tmp_path: Path) -> FeedbackTable:
    return FeedbackTable(tmp_path, "decisions")


def test_an_absent_table_is_empty_and_has_the_columns(table: FeedbackTable) -> None:
    assert table.scan("flights").collect().columns == DECISIONS.names
    assert table.version() is None
    assert table.offsets([KEY]) == {}


def test_rows_and_offsets_land_in_one_commit(table: FeedbackTable) -> None:
    assert table.append(decision_rows([Placed(served("r1", [NOON] * 3), 0, 0)]), {KEY: 1}) == 3
    assert table.version() == 1
    assert table.offsets([KEY, ("prediction_served", 1)]) == {KEY: 1}
    frame = table.scan().collect()
    assert frame["prediction_id"].to_list() == ["r1/0", "r1/1", "r1/2"]
    assert frame["num_distance"].to_list() == [100.0] * 3
    assert frame["event_day"].to_list() == [dt.date(2013, 3, 1)] * 3


def test_the_same_batch_twice_is_the_same_as_once(table: FeedbackTable) -> None:
    rows = decision_rows([Placed(served(f"r{i}"), 0, i) for i in range(4)])
    assert [table.append(rows, {KEY: 4}) for _ in range(2)] == [4, 0]
    assert table.version() == 1


def test_an_overlapping_batch_adds_only_what_is_new(table: FeedbackTable) -> None:
    placed = [Placed(served(f"r{i}"), 0, i) for i in range(6)]
    table.append(decision_rows(placed[:4]), {KEY: 4})
    assert table.append(decision_rows(placed[2:]), {KEY: 6}) == 2
    assert sorted(table.scan().collect()["request_id"]) == [f"r{i}" for i in range(6)]


def test_an_offset_is_never_lowered(table: FeedbackTable) -> None:
    table.append(decision_rows([Placed(served("r9"), 0, 9)]), {KEY: 10})
    assert table.append(decision_rows([Placed(served("r3"), 0, 3)]), {KEY: 4}) == 0
    assert table.offsets([KEY]) == {KEY: 10}


def test_records_without_rows_still_move_the_offset(table: FeedbackTable) -> None:
    assert table.append(decision_rows([]), {KEY: 7}) == 0
    assert table.offsets([KEY]) == {KEY: 7}
    table.append(decision_rows([Placed(served("r1"), 0, 7)]), {KEY: 8})
    assert table.append(decision_rows([]), {KEY: 9}) == 0
    assert table.offsets([KEY]) == {KEY: 9}


def test_rows_of_a_partition_without_an_offset_are_refused(table: FeedbackTable) -> None:
    with pytest.raises(ValueError, match=r"partitions \[1\]"):
        table.append(decision_rows([Placed(served("r1"), 1, 0)]), {KEY: 1})


def test_a_new_feature_becomes_a_column_and_older_rows_are_null(table: FeedbackTable) -> None:
    table.append(decision_rows([Placed(served("old"), 0, 0)]), {KEY: 1})
    table.append(decision_rows([Placed(served("new", numbers={"seats": [180.0]}), 0, 1)]), {KEY: 2})
    frame = table.scan("flights").collect().sort("request_id")
    assert frame["num_seats"].to_list() == [180.0, None]
    assert frame["num_distance"].to_list() == [None, 100.0]
    assert table.scan(version=1).collect().columns == [*DECISIONS.names, "cat_carrier", "num_distance"]


def test_events_with_different_features_share_a_batch() -> None:
    rows = decision_rows(
        [Placed(served("a", [NOON] * 2), 0, 0), Placed(served("b", numbers={"seats": [1.0]}), 0, 1)],
    )
    assert rows["num_distance"].to_pylist() == [100.0, 100.0, None]
    assert rows["num_seats"].to_pylist() == [None, None, 1.0]


def test_a_scan_opens_only_the_days_and_use_case_asked_for(table: FeedbackTable) -> None:
    days = [NOON + dt.timedelta(days=i) for i in range(5)]
    events = [served(f"r{i}", [day]) for i, day in enumerate(days)] + [served("other", use_case="loans")]
    table.append(decision_rows([Placed(event, 0, i) for i, event in enumerate(events)]), {KEY: 6})
    asked = Days(days[1].date(), days[2].date())
    assert sorted(table.scan("flights", asked).collect()["request_id"]) == ["r1", "r2"]
    assert "event_day=2013-03-01" not in table.scan("flights", asked).explain()


def test_a_scan_since_a_version_opens_only_what_came_after(table: FeedbackTable) -> None:
    for i in range(3):
        table.append(decision_rows([Placed(served(f"r{i}"), 0, i)]), {KEY: i + 1})
    assert table.scan(added_since=2).collect()["request_id"].to_list() == ["r2"]
    assert table.scan(added_since=3).collect().height == 0


def test_another_writer_between_load_and_commit_costs_nothing(table: FeedbackTable) -> None:
    table.append(decision_rows([Placed(served("r0"), 0, 0)]), {KEY: 1})
    stale = table.open()
    table.append(decision_rows([Placed(served("r1"), 0, 1)]), {KEY: 2})
    again = CommitProperties(app_transactions=[Transaction("monitor/prediction_served/0", 2)], max_commit_retries=0)
    assert stale is not None
    with pytest.raises(Exception, match=r"(?i)transaction|commit"):
        write_deltalake(stale, decision_rows([Placed(served("r1"), 0, 1)]), mode="append", commit_properties=again)
    assert table.scan().collect().height == 2


def test_two_writers_at_once_leave_each_row_once(table: FeedbackTable) -> None:
    placed = [Placed(served(f"r{i}"), 0, i) for i in range(12)]

    def write() -> None:
        for i in range(0, 12, 3):
            table.append(decision_rows(placed[: i + 3]), {KEY: i + 3})

    writers = [threading.Thread(target=write) for _ in range(2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert sorted(table.scan().collect()["kafka_offset"]) == list(range(12))


def test_a_location_with_a_space_works(tmp_path: Path) -> None:
    table = FeedbackTable(tmp_path / "a b", "decisions")
    table.append(decision_rows([Placed(served("r1"), 0, 0)]), {KEY: 1})
    assert table.scan("flights").collect().height == 1
