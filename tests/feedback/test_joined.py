"""The join answers every awkward window, the same whatever the commit boundaries."""

import datetime as dt
import itertools
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.feedback.joined import decisions_version, joined, table_versions, training_rows
from tests.feedback.streams import NOON, happened, served, store

HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)
LATER = NOON + 30 * DAY


def test_without_tables_the_frame_is_empty_and_has_the_columns(tmp_path: Path) -> None:
    frame = joined(tmp_path, "flights", LATER, blocks=["2013-03-01"])
    assert frame.height == 0
    assert {"prediction_id", "event_time", "scores", "label", "value", "known_at"} <= set(frame.columns)
    assert training_rows(tmp_path, "flights", LATER, ["distance"], ["carrier"]).columns[-2:] == ["distance", "carrier"]
    assert decisions_version(tmp_path) is None


def test_decisions_without_any_outcome_await_their_label(tmp_path: Path) -> None:
    store(tmp_path, [served("r1", [NOON] * 2)])
    assert joined(tmp_path, "flights", LATER)["label"].to_list() == [None, None]


def test_rows_are_sorted_by_event_time_and_prediction_id(tmp_path: Path) -> None:
    store(tmp_path, [served("b", [NOON + HOUR, NOON]), served("a", [NOON])])
    assert joined(tmp_path, "flights", LATER)["prediction_id"].to_list() == ["a/0", "b/1", "b/0"]


def test_a_prediction_that_came_twice_counts_once_by_its_lowest_offset(tmp_path: Path) -> None:
    store(tmp_path, [served("r1", decisions=["none"]), served("r1", decisions=["act"])])
    assert joined(tmp_path, "flights", LATER)["decision"].to_list() == ["none"]


def test_the_latest_outcome_known_at_the_time_wins(tmp_path: Path) -> None:
    told = [
        happened({"r1/0": "late"}, NOON + 2 * HOUR),
        happened({"r1/0": "on_time"}, NOON + HOUR),
        happened({"r1/0": "on_time"}, NOON + 3 * DAY),
    ]
    store(tmp_path, [served("r1")], told)
    seen = {hours: joined(tmp_path, "flights", NOON + hours * HOUR)["label"][0] for hours in (0, 1, 2, 71, 72)}
    assert seen == {0: None, 1: "on_time", 2: "late", 71: "late", 72: "on_time"}


def test_of_two_outcomes_known_at_once_the_later_record_wins(tmp_path: Path) -> None:
    store(tmp_path, [served("r1")], [happened({"r1/0": "late"}), happened({"r1/0": "on_time"})])
    assert joined(tmp_path, "flights", LATER)["label"].to_list() == ["on_time"]


def test_a_label_before_its_prediction_counts_only_when_it_is_close(tmp_path: Path) -> None:
    told = [happened({"r1/0": "late"}, NOON - HOUR), happened({"r2/0": "late"}, NOON - 5 * DAY)]
    store(tmp_path, [served("r1"), served("r2")], told)
    for blocks in (None, ["2013-03-01"]):
        assert joined(tmp_path, "flights", LATER, blocks=blocks)["label"].to_list() == ["late", None]


def test_an_outcome_of_another_use_case_or_prediction_is_nobodys(tmp_path: Path) -> None:
    store(tmp_path, [served("r1")], [happened({"r1/0": "late"}, use_case="loans"), happened({"r9/0": "late"})])
    assert joined(tmp_path, "flights", LATER)["label"].to_list() == [None]


def test_a_local_day_is_found_in_its_utc_neighbours(tmp_path: Path) -> None:
    midnight = dt.datetime(2013, 3, 2, 3, tzinfo=dt.UTC)
    store(tmp_path, [served("r1", [NOON, midnight], block="2013-03-01"), served("r2", [midnight + 9 * HOUR])])
    assert joined(tmp_path, "flights", LATER, blocks=["2013-03-01"])["request_id"].to_list() == ["r1", "r1"]


def test_a_pinned_version_never_changes(tmp_path: Path) -> None:
    store(tmp_path, [served("r1")])
    pinned = table_versions(tmp_path)
    store(tmp_path, [served("r2")], [happened({"r1/0": "late"})], start=1)
    frame = joined(tmp_path, "flights", LATER, version=pinned)
    assert frame.select("request_id", "label").rows() == [("r1", None)]


def test_training_never_sees_what_became_known_after_now(tmp_path: Path) -> None:
    now = NOON + DAY
    told = [happened({"past/0": "late"}, now), happened({"planted/0": "late"}, now + dt.timedelta(microseconds=1))]
    store(tmp_path, [served("past"), served("planted"), served("unlabelled")], told)
    frame = training_rows(tmp_path, "flights", now, ["distance", "unheard"], ["carrier"])
    assert frame["prediction_id"].to_list() == ["past/0"]
    assert frame.select("label", "distance", "unheard", "carrier").rows() == [("late", 100.0, None, "UA")]
    assert training_rows(tmp_path, "flights", now, [], [], since=NOON).height == 0


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.sets(st.integers(1, 9), max_size=4), twice=st.booleans())
def test_commit_boundaries_and_repeats_change_nothing(tmp_path: Path, cuts: set[int], twice: bool) -> None:
    events = [served(f"r{i % 7}", [NOON + i % 3 * HOUR], decisions=[("act", "none")[i % 2]]) for i in range(10)]
    told = [happened({f"r{i % 5}/0": ("late", "on_time")[i % 2]}, NOON + i * HOUR) for i in range(10)]
    whole, pieces = tmp_path / "whole", tmp_path / "-".join(map(str, ["pieces", *sorted(cuts), twice]))
    if not whole.exists():
        store(whole, events, told)
    edges = [0, *sorted(cuts), 10]
    if not pieces.exists():
        for first, last in itertools.pairwise(edges):
            for _ in range(2 if twice else 1):
                store(pieces, events[first:last], told[first:last], start=first)
    columns = ["prediction_id", "decision", "label", "known_at"]
    assert joined(pieces, "flights", LATER)[columns].equals(joined(whole, "flights", LATER)[columns])
