"""What people query: plain names where they are clear, one row per prediction as known at a time."""

import datetime as dt
from pathlib import Path

import pytest

from shared.feedback.joined import Versions, table_versions
from shared.feedback.views import VIEWS, use_cases, view
from tests.feedback.streams import NOON, happened, served, store

DAY = dt.timedelta(days=1)


def test_without_tables_every_view_is_empty_and_has_its_columns(tmp_path: Path) -> None:
    nothing = Versions(None, None)
    assert use_cases(tmp_path, nothing) == []
    assert {name: view(tmp_path, name, nothing).collect().height for name in VIEWS} == dict.fromkeys(VIEWS, 0)
    assert {"prediction_id", "label", "known_at"} <= set(view(tmp_path, "joined", nothing).collect_schema())
    with pytest.raises(KeyError):
        view(tmp_path, "others", nothing)


def test_features_have_their_own_names_unless_those_could_mean_something_else(tmp_path: Path) -> None:
    numbers: dict[str, list[float | None]] = {"distance": [1.0], "carrier": [2.0], "block": [3.0]}
    store(tmp_path, [served("a", numbers=numbers)])
    for name in ("decisions", "joined"):
        (row,) = view(tmp_path, name, table_versions(tmp_path)).collect().to_dicts()
        assert (row["distance"], row["num_carrier"], row["cat_carrier"], row["num_block"]) == (1.0, 2.0, "UA", 3.0)
        assert row["block"] == "2013-03-01"


def test_all_use_cases_are_joined_each_with_the_outcomes_of_its_own(tmp_path: Path) -> None:
    decisions = [served("a"), served("a", use_case="loans", numbers={"income": [9.0]}), served("a")]
    store(tmp_path, decisions, [happened({"a/0": "late"}), happened({"a/0": "on_time"}, use_case="loans")])
    rows = view(tmp_path, "joined", table_versions(tmp_path)).collect()
    assert rows.select("use_case", "label", "income", "distance").rows() == [
        ("flights", "late", None, 100.0),
        ("loans", "on_time", 9.0, None),
    ]
    assert view(tmp_path, "decisions", table_versions(tmp_path)).collect().height == 3


def test_a_view_is_as_known_at_a_time_and_at_a_pinned_version(tmp_path: Path) -> None:
    store(tmp_path, [served("a")], [happened({"a/0": "late"})])
    pinned = table_versions(tmp_path)
    store(tmp_path, [served("b", numbers={"seats": [5.0]})], [happened({"a/0": "on_time"}, NOON + 2 * DAY)], start=1)
    newest = table_versions(tmp_path)
    labels = [view(tmp_path, "joined", newest, NOON + days * DAY).collect()["label"].to_list() for days in (0, 1, 3)]
    assert labels == [[None, None], ["late", None], ["on_time", None]]
    old = view(tmp_path, "joined", pinned).collect()
    assert old["label"].to_list() == ["late"]
    assert "seats" not in old.columns
