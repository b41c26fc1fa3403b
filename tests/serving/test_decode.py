"""Forty malformed bodies are refused with the field named; odd values are flagged; sound ones become columns."""

from datetime import UTC, datetime

import pytest

from services.serving.decode import Decoder
from services.serving.faults import Refused
from tests.serving.toy import NOW, contract

DECODER = Decoder(contract())
BIG = "9" * 400

MALFORMED: list[tuple[str, bytes, int, str]] = [
    ("nothing", b"", 400, ""),
    ("half", b'{"records": [{"size": 1}', 400, ""),
    ("a word", b"hello", 400, ""),
    ("a list", b"[1]", 422, "body"),
    ("null", b"null", 422, "body"),
    ("a tail", b'{"record": {"size": 1}} x', 400, ""),
    ("a mark in front", b'\xef\xbb\xbf{"record": {"size": 1}}', 400, ""),
    ("no UTF-8 in a value", b'{"record": {"colour": "\xff\xfe"}}', 400, ""),
    ("no UTF-8 in a key", b'{"record": {"\xff": 1}}', 400, ""),
    ("NaN", b'{"record": {"size": NaN}}', 400, ""),
    ("Infinity", b'{"record": {"size": Infinity}}', 400, ""),
    ("1e999", b'{"record": {"size": 1e999}}', 422, "size"),
    ("-1e999 in the second", b'{"records": [{}, {"speed": -1e999}]}', 422, "speed"),
    ("a huge integer", b'{"record": {"size": %s}}' % BIG.encode(), 422, "size"),
    ("a huge integer as category", b'{"record": {"colour": %s}}' % BIG.encode(), 422, "colour"),
    ("digits for ever", b'{"record": {"size": %s}}' % (b"9" * 6000), 422, "size"),
    ("NUL", b'{"record": {"colour": "a\\u0000b"}}', 422, "colour"),
    ("NUL in a number", b'{"record": {"size": "a\\u0000b"}}', 422, "size"),
    ("a lone surrogate", b'{"record": {"colour": "\\ud800"}}', 400, ""),
    ("a raw control character", b'{"record": {"colour": "\x01"}}', 400, ""),
    ("long text", b'{"record": {"colour": "%s"}}' % (b"x" * 257), 422, "colour"),
    ("nested list", b'{"record": {"size": [1]}}', 422, "size"),
    ("nested object", b'{"records": [{"size": 1}, {"colour": {"a": 1}}]}', 422, "colour"),
    ("depth", b'{"record": {"size": ' + b"[" * 50_000 + b"]" * 50_000 + b"}}", 422, "record"),
    ("unbalanced depth", b"[" * 100_000, 422, "body"),
    ("unknown top key", b'{"records": [{}], "rows": 1}', 422, "rows"),
    ("unknown feature", b'{"records": [{"size": 1}, {"sise": 1}]}', 422, "sise"),
    ("neither", b"{}", 422, "records"),
    ("both", b'{"record": {}, "records": [{}]}', 422, "records"),
    ("no records", b'{"records": []}', 422, "records"),
    ("too many records", b'{"records": [' + b"{}," * 10_000 + b"{}]}", 422, "records"),
    ("records no list", b'{"records": {}}', 422, "records"),
    ("a record no object", b'{"records": [1]}', 422, "records[0]"),
    ("request id a number", b'{"request_id": 5, "record": {}}', 422, "request_id"),
    ("request id with a slash", b'{"request_id": "a/b", "record": {}}', 422, "request_id"),
    ("request id with a newline", b'{"request_id": "a\\n", "record": {}}', 422, "request_id"),
    ("request id too long", b'{"request_id": "%s", "record": {}}' % (b"a" * 129), 422, "request_id"),
    ("request id empty", b'{"request_id": "", "record": {}}', 422, "request_id"),
    ("a key twice in a record", b'{"record": {"size": 1, "size": 2}}', 422, "size"),
    ("a key twice at the top", b'{"request_id": "a", "request_id": "b", "record": {}}', 422, "request_id"),
    ("time a number", b'{"record": {"left_at": 5}}', 422, "left_at"),
    ("time without offset", b'{"record": {"left_at": "2013-03-01T06:00:00"}}', 422, "left_at"),
    ("time no time", b'{"record": {"left_at": "yesterday"}}', 422, "left_at"),
    ("time before all", b'{"record": {"left_at": "0001-01-01T00:00:00+14:00"}}', 422, "left_at"),
    ("time after all", b'{"record": {"left_at": "9999-12-31T23:59:59-14:00"}}', 422, "left_at"),
    ("time far ahead of the clock", b'{"record": {"left_at": "2014-03-01T00:00:00Z"}}', 422, "left_at"),
]


@pytest.mark.parametrize(("body", "status", "field"), [m[1:] for m in MALFORMED], ids=[m[0] for m in MALFORMED])
def test_a_malformed_body_is_refused_by_name(body: bytes, status: int, field: str) -> None:
    with pytest.raises(Refused) as refused:
        DECODER.decode(body, NOW)
    assert refused.value.status == status
    assert refused.value.more.get("field", "") == field
    assert len(refused.value.detail) < 1000


def test_a_record_becomes_columns_in_the_contracts_order() -> None:
    ask = DECODER.decode(
        b'{"request_id": "r", "records": [{"colour": "red", "size": 1, "left_at": "2013-03-01T06:00:00-05:00"}, {}]}',
        NOW,
    )
    assert ask.request_id == "r"
    assert ask.rows.numbers == {"size": (1.0, None), "speed": (None, None)}
    assert ask.rows.categories == {"colour": ("red", None)}
    assert ask.rows.times == [datetime(2013, 3, 1, 11, tzinfo=UTC), NOW]
    assert ask.rows.blocks == ["2013-03-01", "2013-03-01"]
    assert ask.rows.flagged == [[], []]


def test_what_is_odd_is_flagged_and_counts_as_missing() -> None:
    records = b'[{"size": 11, "speed": "fast"}, {"size": true, "colour": 5}, {"size": "1"}, {"speed": null}]'
    rows = DECODER.decode(b'{"records": %s}' % records, NOW).rows
    assert rows.flagged == [["size", "speed"], ["size", "colour"], ["size"], []]
    assert rows.numbers == {"size": [None] * 4, "speed": [None] * 4}


def test_a_level_that_the_contract_does_not_know_is_flagged() -> None:
    decoder = Decoder(contract(("colour: {type: category}", "colour: {type: category, levels: [red, green]}")))
    assert decoder.decode(b'{"records": [{"colour": "red"}, {"colour": "pink"}]}', NOW).rows.flagged == [[], ["colour"]]


def test_the_same_records_have_the_same_digest_however_they_are_written() -> None:
    one = DECODER.decode(b'{"record": {"size": 1, "colour": "red"}}', NOW)
    other = DECODER.decode(b'{"records": [ {"colour": "red", "size":1} ]}', NOW.replace(day=2))
    assert one.digest == other.digest
    assert one.digest != DECODER.decode(b'{"record": {"size": 2, "colour": "red"}}', NOW).digest


def test_text_that_looks_like_a_key_is_no_duplicate() -> None:
    ask = DECODER.decode(b'{"record": {"colour": "a\\":b\\":"}}', NOW)
    assert ask.rows.categories["colour"] == ['a":b":'], "looked at twice"


def test_without_a_clock_a_record_must_give_its_time() -> None:
    with pytest.raises(Refused, match="no event time is known yet"):
        DECODER.decode(b'{"record": {}}', None)
    assert DECODER.decode(b'{"record": {"left_at": "2013-03-01T06:00:00Z"}}', None).rows.blocks == ["2013-03-01"]
