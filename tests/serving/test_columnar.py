"""Columns are read by the rules of records: the same rows, the same flags, and refusals that name column and row."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.serving.columnar import Coded, Given, read_table
from services.serving.decode import Ask, Decoder
from services.serving.faults import Refused
from services.serving.forms import COLUMNS, read_json
from services.serving.score import Coalescer
from tests.serving.toy import NOW, contract, live_of

LEVELS = ("colour: {type: category}", "colour: {type: category, levels: [red, green]}")
UNDER = contract(LEVELS)
DECODER = Decoder(UNDER)
LIVE = live_of(Coalescer(lambda columns: [], executor=None), UNDER)  # type: ignore[arg-type]  # nothing is scored
TIMES = [(datetime(2013, 2, 27, 22, tzinfo=UTC) + timedelta(hours=n)).isoformat() for n in range(6)]

scalar = st.one_of(
    st.none(), st.booleans(), st.integers(-20, 20), st.floats(-20, 20), st.sampled_from(["red", "green", "pink", "1"])
)
record = st.fixed_dictionaries(
    {"size": scalar, "speed": scalar, "colour": scalar, "left_at": st.sampled_from([*TIMES, None])}
)


def asked(body: dict[str, Any], now: datetime | None = NOW) -> Ask:
    """What a body asks."""
    return read_json(LIVE, json.dumps(body).encode(), now)


def plain(column: Any) -> list[Any]:
    """A column with None for null."""
    return [None if value is None or value != value else value for value in column]


@given(st.lists(record, min_size=1, max_size=20))
def test_columns_give_the_rows_that_the_same_records_give(records: list[dict[str, Any]]) -> None:
    rows = DECODER.decode(json.dumps({"records": records}).encode(), NOW).rows
    found = asked({"columns": {name: [each[name] for each in records] for name in records[0]}}).rows
    assert (found.times, found.blocks, found.flagged) == (rows.times, rows.blocks, rows.flagged)
    for name in UNDER.numbers:
        assert plain(found.numbers[name]) == plain(rows.numbers[name]) == plain(found.columns()[name])
    for name in UNDER.categories:
        assert list(found.categories[name]) == list(rows.categories[name]) == list(found.columns()[name])


def test_what_is_left_out_is_null_and_of_now() -> None:
    ask = asked({"request_id": "r", "columns": {"size": [1, None]}})
    assert (ask.request_id, ask.form, ask.rows.times) == ("r", COLUMNS, [NOW, NOW])
    assert plain(ask.rows.numbers["speed"]) == ask.rows.categories["colour"] == [None, None]
    assert ask.rows.flagged == [[], []]


REFUSED: list[tuple[str, dict[str, Any], str, str]] = [
    ("unknown", {"columns": {"size": [1], "sise": [1]}}, "sise", "unknown column"),
    ("unequal", {"columns": {"size": [1, 2], "speed": [1]}}, "speed", "speed has 1 values, column size has 2"),
    ("none", {"columns": {}}, "columns", "0 rows"),
    ("no rows", {"columns": {"size": []}}, "columns", "0 rows"),
    ("too many", {"columns": {"size": [1] * 10_001}}, "columns", "10001 rows"),
    ("records too", {"columns": {"size": [1]}, "records": [{}]}, "records", "one of records"),
    ("record too", {"columns": {"size": [1]}, "record": {}}, "records", "one of records"),
    ("nested", {"columns": {"size": [[1]]}}, "size", "nested"),
    ("object", {"columns": {"size": {"a": 1}}}, "columns", "array"),
    ("a list", {"columns": [1]}, "columns", "object"),
    ("unknown key", {"columns": {"size": [1]}, "rows": 1}, "rows", "unknown field"),
    ("request id", {"columns": {"size": [1]}, "request_id": "a/b"}, "request_id", "must match"),
    ("long text", {"columns": {"colour": ["red", "x" * 257]}}, "colour", "record 1: colour has 257"),
    ("long text for a number", {"columns": {"size": [1, "x" * 257]}}, "size", "record 1: size has 257"),
    ("NUL", {"columns": {"colour": ["a\0b"]}}, "colour", "record 0: colour holds a NUL"),
    ("huge", {"columns": {"size": [1, 10**400]}}, "size", "record 1: size is not a finite"),
    ("huge category", {"columns": {"colour": ["red", 10**400]}}, "colour", "record 1: colour is not a finite"),
    ("time a number", {"columns": {"left_at": [5]}}, "left_at", "record 0: left_at is not text"),
    ("no offset", {"columns": {"left_at": [TIMES[0], "2013-03-01T06:00"]}}, "left_at", "record 1: left_at"),
    ("far ahead", {"columns": {"left_at": ["2014-03-01T06:00Z"]}}, "left_at", "outside"),
]


@pytest.mark.parametrize(("body", "field", "said"), [r[1:] for r in REFUSED], ids=[r[0] for r in REFUSED])
def test_columns_that_cannot_be_read_are_refused_by_name(body: dict[str, Any], field: str, said: str) -> None:
    with pytest.raises(Refused) as refused:
        asked(body)
    assert (refused.value.status, refused.value.more["field"]) == (422, field)
    assert said in refused.value.detail


def test_a_column_twice_is_refused_and_text_that_looks_like_a_key_is_not() -> None:
    with pytest.raises(Refused, match="'size' stands twice"):
        read_json(LIVE, b'{"columns": {"size": [1], "size" : [2]}}', NOW)
    with pytest.raises(Refused, match="not a finite number"):
        read_json(LIVE, b'{"columns": {"size": [1, -1e999]}}', NOW)
    live = live_of(LIVE.model, contract())
    assert read_json(live, b'{"columns": {"colour": ["a\\":b"]}}', NOW).rows.categories["colour"] == ['a":b']
    assert read_json(live, b'{"record": {"colour": "\\"columns\\":"}}', NOW).form is None


def test_without_a_clock_the_times_must_be_given() -> None:
    with pytest.raises(Refused, match="no event time is known yet"):
        asked({"columns": {"size": [1]}}, None)
    assert asked({"columns": {"left_at": [TIMES[0]]}}, None).rows.blocks == ["2013-02-27"]


def table(columns: dict[str, Given], now: datetime = NOW) -> Ask:
    """What typed columns ask."""
    return read_table(UNDER, columns, now, "r", b"", COLUMNS)


def test_typed_columns_mean_what_json_says_and_have_its_digest() -> None:
    sizes, colours = [1.5, None, 99.0, -0.5], ["red", None, "pink", "red"]
    json_ask = asked({"request_id": "r", "columns": {"size": sizes, "colour": colours}})
    coded = Coded(np.array([1, -1, 0, 1]), ["pink", "red"])
    typed = table({"colour": coded, "size": np.array([1.5, np.nan, 99.0, -0.5])})
    assert typed.rows.flagged == json_ask.rows.flagged == [[], [], ["size", "colour"], []]
    assert typed.digest == json_ask.digest == table({"size": sizes, "colour": colours}, NOW + timedelta(1)).digest
    assert typed.digest != asked({"columns": {"size": [1.5, None, 99.0, 0.5], "colour": colours}}).digest
    assert typed.digest != table({"size": sizes, "colour": colours, "left_at": [TIMES[0], None, None, None]}).digest


def test_infinity_is_flagged_and_nan_is_null_and_the_given_array_stays_as_it_is() -> None:
    given_ = np.array([np.inf, -np.inf, np.nan, 1.0])
    rows = table({"speed": given_, "colour": np.array([np.nan, 1.0, np.nan, np.nan])}).rows
    assert rows.flagged == [["speed"], ["speed", "colour"], [], []]
    assert plain(rows.numbers["speed"]) == [None, None, None, 1.0]
    assert given_[0] == np.inf


def test_text_for_a_number_is_flagged_by_code_too() -> None:
    assert table({"size": Coded(np.array([0, -1]), ["big"])}).rows.flagged == [["size"], []]
    with pytest.raises(Refused, match="record 1: colour has 300 characters"):
        table({"colour": Coded(np.array([0, 1]), ["red", "x" * 300])})
