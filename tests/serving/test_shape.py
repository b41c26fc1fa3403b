"""A body that fits its contract is read in one go, and means what it means when each value is looked at."""

import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services.serving.decode import Body, Decoder
from services.serving.faults import Refused
from services.serving.shape import Shape
from shared.contract import block_of
from tests.serving.toy import NOW, contract

UNDER = contract(
    ("speed: {type: number}", "speed: {type: number}\n  class: {type: number, range: [0, 1]}"),
    ("colour: {type: category}", "colour: {type: category}\n  kind: {type: category, levels: ['a', 'b:c', '']}"),
    ("task: binary", "task: binary\ntimezone: America/St_Johns"),
)
DECODER = Decoder(UNDER)
SECONDS = st.integers(24 * 3600, 2_145_000_000)
TIMES = SECONDS.map(lambda seconds: datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "-03:30"))
NUMBERS = st.one_of(st.integers(), st.floats(allow_nan=False), st.sampled_from([0, -0.0, 1, 10**19, 10**30, 10**310]))
TEXTS = st.one_of(
    st.text('ab:"\\\0\n{,é€😀', max_size=8), st.sampled_from(["a", "b:c", "", 'a":', "\0", "x" * 256, "x" * 257])
)
ODD = st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS)
RECORD = st.fixed_dictionaries(
    {},
    optional={
        "size": st.one_of(st.floats(-10, 10), ODD),
        "speed": NUMBERS,
        "class": st.one_of(st.sampled_from([0, 1, None]), ODD),
        "colour": TEXTS,
        "kind": st.one_of(st.sampled_from(["a", "b:c", ""]), ODD),
        "left_at": st.one_of(TIMES, ODD),
        "unknown": st.none(),
    },
)
BODIES = st.one_of(
    st.fixed_dictionaries({"records": st.lists(RECORD, max_size=4)}, optional={"request_id": st.sampled_from("r:")}),
    st.fixed_dictionaries({"record": RECORD}, optional={"records": st.none()}),
)


def said(decoder: Decoder, body: bytes, *, slowly: bool) -> Any:
    """What comes of a body, as plain data: rows, or the refusal."""
    try:
        if slowly:
            rows = decoder._looked_at(msgspec.json.decode(body, type=Body), body, NOW)
        else:
            rows = decoder.decode(body, NOW).rows
    except Refused as refused:
        return refused.status, refused.detail, refused.more
    return json.loads(msgspec.json.encode(rows))


@given(BODIES, st.booleans(), st.sampled_from([(",", ":"), (", ", ": "), (" ,\n", "\t: ")]))
@example({"records": [{"size": -0.0}]}, False, (",", ":"))
@example(
    {"record": {"size": 1, "speed": 2, "class": 1, "colour": "", "kind": "b:c", "left_at": None}}, True, (",", ":")
)
def test_both_ways_of_reading_say_the_same(asked: dict[str, Any], ascii_: bool, separators: tuple[str, str]) -> None:
    body = json.dumps(asked, ensure_ascii=ascii_, separators=separators).encode(errors="replace")
    try:
        msgspec.json.decode(body, type=Body)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return  # neither way reads it
    assert said(DECODER, body, slowly=False) == said(DECODER, body, slowly=True)


@given(st.lists(st.tuples(st.sampled_from(["size", "colour", "left_at"]), st.none()), min_size=1, max_size=6))
def test_a_body_fits_only_when_no_key_stands_there_twice(pairs: list[tuple[str, None]]) -> None:
    texts = {"size": "1", "colour": '"a:b"', "left_at": '"2013-03-01T06:00:00Z"'}
    inner = ", ".join(f'"{name}" : {texts[name]}' for name, _ in pairs)
    names = [name for name, _ in pairs]
    assert (Shape(UNDER).read(f'{{"record": {{{inner}}}}}'.encode()) is not None) == (len(names) == len(set(names)))


@pytest.mark.parametrize(
    ("body", "fits"),
    [
        (b'{"record": {"size": 1, "class": 1, "kind": "b:c", "left_at": "2013-03-01T06:00:00Z"}}', True),
        (b'{"records": [{}, {"size": null, "colour": "\\u00e9"}], "request_id": "a:b"}', True),
        (b'{"record": {"size": 11}}', False),
        (b'{"record": {"size": true}}', False),
        (b'{"record": {"kind": "c"}}', False),
        (b'{"record": {"colour": "\\u0000"}}', False),
        (b'{"record": {"colour": "a\\u003ab", "colour": 1}}', False),
        (b'{"record": {"colour": "a:b", "colour": "a"}}', False),
        (b'{"record": {}, "record": {}}', False),
    ],
)
def test_most_bodies_fit_and_the_odd_ones_do_not(body: bytes, fits: bool) -> None:
    assert (Shape(UNDER).read(body) is not None) == fits


@given(SECONDS)
@example(1257042630)  # St. John's set its clocks back a minute after midnight: 2009-11-01 02:30:30 and 02:31:00 UTC
@example(1257042660)
def test_a_remembered_time_has_the_block_that_the_contract_gives_it(seconds: int) -> None:
    time = datetime.fromtimestamp(seconds, UTC)
    for _ in range(2):
        times, blocks = DECODER._times.of([time.isoformat(), None], time)
        assert (times, blocks) == ([time, time], [block_of(UNDER, time)] * 2)
