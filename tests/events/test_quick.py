"""What is read quickly is what is read thoroughly; everything else is left to that."""

import datetime as dt
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.events import OutcomeRecorded, PredictionServed, Record, from_record, to_record, unknown_fields
from shared.events.base import ATTRIBUTES
from shared.events.quick import QuickReader, Served, Told, ToldOutcome
from shared.feedback.rows import DecisionColumns, OutcomeColumns
from tests.feedback.streams import NOON, happened, served

READER = QuickReader()
SERVED = to_record(served("r1", [NOON, NOON + dt.timedelta(hours=1)], numbers={"distance": [1.5, None]}))
TOLD = to_record(happened({"r1/0": "late", "r1/1": "on_time"}))
ODD: list[Any] = [
    *(None, True, 0, -1, 1.5, 2**53, 2**70, "", "a", "A", "a\n", "a\0", "\ud83d", "x" * 257, "late", "0" * 64),
    *([], ["a"], [1.0], [None], [[0.5]], [[]], [[0.5], [0.5, 0.1]], ["a", "b"], [None, 3], [1, 1.0], [-0.0, 1e308]),
    *({}, {"a": [1]}, {"a": [1.0, 2]}, {"A": [1, 2]}, {"a": ["x", None]}, {"a\n": [1, 2]}),
    *("2013-03-01T12:00:00Z", "20130301T120000Z", "2013-03-01t12:00:00z", "2013-03-01T12:00:00.1234567+01:00"),
    *("2013-03-01", "2013-03-01T12:00:00", "0001-01-01T00:00:00+05:00", 1362139200, "refused", "answered"),
    *(["2013-03-01T12:00Z", "2013-03-01 12:00:00,5+00:00"], ["2013-03-01T12:00:00Z"] * 2, [1, 2], [[], ["a", "b\0"]]),
]
fields = st.sampled_from(
    [*PredictionServed.model_fields, *OutcomeRecorded.model_fields, "new", "prediction_id", "label"]
)
NAMES = (
    *("ce_id", "ce_source", "ce_time", "ce_type", "ce_specversion", "ce_correlationid", "ce_causationid"),
    *("content-type", "ce_new", "CE_ID", "x"),
)
VALUES = (
    *(None, b"", b"a", b"\xff", b"a\0", b"1.0", b"2013-03-01T12:00:00Z", b"2013-03-01", b"x" * 300),
    *(b"application/json; charset=utf-8", "ä".encode()),
)


def rows(event: PredictionServed | OutcomeRecorded | Served | Told) -> list[dict[str, Any]]:
    """The rows that an event gives."""
    columns: Any = DecisionColumns() if isinstance(event, PredictionServed | Served) else OutcomeColumns()
    columns.add(event, 0, 7)
    found: list[dict[str, Any]] = columns.table().to_pylist()
    return found


def agree(record: Record) -> bool:
    """Whether it was read quickly; then it must have been read right."""
    kind, read = (PredictionServed, READER.served) if record.topic == SERVED.topic else (OutcomeRecorded, READER.told)
    quick: Served | Told | None = read(record.value, record.headers)
    if quick is None:
        return False
    event: Any = from_record(kind, record.value, record.headers)
    assert unknown_fields(event) == 0
    assert rows(quick) == rows(event)
    return True


@pytest.mark.parametrize("record", [SERVED, TOLD], ids=["served", "told"])
def test_what_is_usual_is_read_quickly_with_or_without_headers_of_others(record: Record) -> None:
    assert agree(record)
    assert agree(Record(record.topic, b"", record.value, (*record.headers, ("traceparent", b"\xff"))))
    assert agree(Record(record.topic, b"", b" \n" + record.value + b"\n", record.headers))


def test_requests_without_an_answer_and_fields_from_the_future_are_left_to_the_thorough_way() -> None:
    refused = served("r1").model_copy(update={"status": "refused", "event_times": []})
    newer = SERVED.value[:-1] + b',"new":1}'
    assert not agree(to_record(refused))
    assert not agree(Record(SERVED.topic, b"", newer, SERVED.headers))


def test_it_knows_every_field_of_the_events() -> None:
    of_body = [set(kind.model_fields) - set(ATTRIBUTES) for kind in (PredictionServed, OutcomeRecorded)]
    assert [set(kind.__struct_fields__) - {"id", "source"} for kind in (Served, Told)] == of_body
    assert set(ToldOutcome.__struct_fields__) == {"prediction_id", "label", "value", "known_at"}


@settings(max_examples=600, deadline=None)
@given(base=st.sampled_from([SERVED, TOLD]), name=fields, value=st.sampled_from(ODD), inside=st.booleans())
def test_one_odd_field_is_read_the_same_or_left(base: Record, name: str, value: Any, inside: bool) -> None:
    body = json.loads(base.value)
    place = body["outcomes"][0] if inside and "outcomes" in body else body
    place[name] = value
    agree(Record(base.topic, b"", json.dumps(body).encode(), base.headers))


@settings(max_examples=300, deadline=None)
@given(base=st.sampled_from([SERVED, TOLD]), at=st.integers(0, 2000), byte=st.binary(max_size=3), cut=st.integers(0, 4))
def test_torn_bodies_are_read_the_same_or_left(base: Record, at: int, byte: bytes, cut: int) -> None:
    at %= len(base.value)
    agree(Record(base.topic, b"", base.value[:at] + byte + base.value[at + cut :], base.headers))


@settings(max_examples=300, deadline=None)
@given(
    base=st.sampled_from([SERVED, TOLD]), name=st.sampled_from(NAMES), value=st.sampled_from(VALUES), more=st.booleans()
)
def test_one_odd_header_is_read_the_same_or_left(base: Record, name: str, value: bytes | None, more: bool) -> None:
    kept = [pair for pair in base.headers if more or pair[0] != name]
    agree(Record(base.topic, b"", base.value, (*kept, (name, value))))  # type: ignore[arg-type]


@settings(max_examples=200, deadline=None)
@given(numbers=st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=5))
def test_numbers_are_the_same_to_the_last_bit(numbers: list[float]) -> None:
    given: list[float | None] = [*numbers]
    assert agree(to_record(served("r1", [NOON] * len(numbers), numbers={"distance": given})))
