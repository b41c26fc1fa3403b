"""Arrow streams: every type that is taken means what JSON says; a hostile stream is refused before it grows."""

import random
import struct
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest

from services.serving.arrow_body import ARROW, read_arrow, write_arrow
from services.serving.columnar import read_table
from services.serving.decode import Ask
from services.serving.faults import Refused
from services.serving.forms import COLUMNS, read_json
from services.serving.score import Coalescer
from tests.serving.toy import NOW, contract, live_of

UNDER = contract()
LIVE = live_of(Coalescer(lambda columns: [], executor=None), UNDER)  # type: ignore[arg-type]  # nothing is scored
SIZES, COLOURS = [1.0, None, 99.0], ["red", None, "green"]


def stream(
    columns: dict[str, Any], metadata: dict[bytes | str, bytes | str] | None = None, *, parts: int = 1, **options: Any
) -> bytes:
    """The columns as an IPC stream of one or more batches."""
    schema = pa.schema([(name, column.type) for name, column in columns.items()], metadata=metadata)
    table = pa.table(list(columns.values()), schema=schema)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table, max_chunksize=-(-len(table) // parts) or None)
    return sink.getvalue().to_pybytes()


def asked(body: bytes) -> Ask:
    """What a stream asks."""
    found = read_arrow(body, UNDER)
    return read_table(UNDER, found.columns, NOW, found.request_id, body, COLUMNS)


NUMBERS = [pa.float64(), pa.float32(), pa.float16(), pa.int8(), pa.int64(), pa.uint16(), pa.uint64()]
TEXTS = [pa.string(), pa.large_string(), pa.string_view()]


@pytest.mark.parametrize("kind", NUMBERS, ids=str)
@pytest.mark.parametrize("parts", [1, 3])
def test_numbers_of_any_width_mean_the_same(kind: pa.DataType, parts: int) -> None:
    found = asked(stream({"size": pa.array([1, None, 99], pa.float64()).cast(kind)}, parts=parts)).rows
    assert found.flagged == [[], [], ["size"]]
    assert repr(list(found.numbers["size"])) == "[1.0, nan, nan]"


@pytest.mark.parametrize("kind", TEXTS, ids=str)
@pytest.mark.parametrize("parts", [1, 2])
def test_text_plain_or_by_dictionary_means_the_same(kind: pa.DataType, parts: int) -> None:
    plain = pa.array(COLOURS, kind)
    assert asked(stream({"colour": plain}, parts=parts)).rows.categories["colour"] == COLOURS
    coded = pa.DictionaryArray.from_arrays(pa.array([1, None, 0], pa.int8()), pa.array(["green", "red"], kind))
    assert asked(stream({"colour": coded}, parts=parts)).rows.categories["colour"] == COLOURS


def test_dictionaries_may_differ_from_batch_to_batch() -> None:
    schema = pa.schema([("colour", pa.dictionary(pa.int32(), pa.string()))])
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as writer:
        for colours in (["red", "blue"], ["blue", None]):
            writer.write_batch(pa.record_batch([pa.array(colours).dictionary_encode()], schema=schema))
    assert asked(sink.getvalue().to_pybytes()).rows.categories["colour"] == ["red", "blue", "blue", None]


def test_a_stream_is_the_request_that_the_same_columns_are_in_json() -> None:
    body = stream({"colour": pa.array(COLOURS), "size": pa.array(SIZES)}, {"request_id": "r"})
    said = b'{"request_id": "r", "columns": {"size": [1, null, 99], "colour": ["red", null, "green"]}}'
    assert (asked(body).request_id, asked(body).digest) == ("r", read_json(LIVE, said, NOW).digest)


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_times_are_timestamps_with_a_zone_or_text(unit: Any) -> None:
    moment = datetime(2013, 2, 28, 23, 30, tzinfo=UTC)
    stamps = pa.array([moment, None], pa.timestamp(unit, "America/New_York"))
    assert asked(stream({"left_at": stamps})).rows.times == [moment, NOW]
    texts = pa.array([moment.isoformat(), None])
    assert asked(stream({"left_at": texts})).rows.times == [moment, NOW]


def test_truth_values_nulls_and_infinity() -> None:
    columns: dict[str, Any] = {
        "size": pa.array([True, False, None]),
        "speed": pa.array([float("inf"), float("nan"), 1.0]),
        "colour": pa.nulls(3),
    }
    rows = asked(stream(columns)).rows
    assert rows.flagged == [["speed"], [], []]
    assert repr(list(rows.numbers["size"])) == "[1.0, 0.0, nan]"


RUN_ENDS: Any = pa.RunEndEncodedArray.from_arrays(pa.array([3], pa.int32()), pa.array([1.0]))
LONG = pa.DictionaryArray.from_arrays(pa.array([0] * 9000, pa.int8()), pa.array(["x" * 100_000]))
VIEWS = pa.py_buffer(struct.pack("<i4sii", 100_000, b"xxxx", 0, 0) * 9000)
MANY_VIEWS = pa.Array.from_buffers(pa.string_view(), 9000, [None, VIEWS, pa.py_buffer(b"x" * 100_000)])
REFUSED: list[tuple[str, dict[str, Any], str, str]] = [
    ("list", {"size": pa.array([[1.0]])}, "size", "type list"),
    ("struct", {"size": pa.array([{"a": 1.0}])}, "size", "type struct"),
    ("binary", {"colour": pa.array([b"red"])}, "colour", "type binary"),
    ("decimal", {"size": pa.array([1]).cast(pa.decimal128(20))}, "size", "type decimal"),
    ("date", {"left_at": pa.array([1]).cast(pa.int32()).cast(pa.date32())}, "left_at", "type date"),
    ("time without a zone", {"left_at": pa.array([1], pa.timestamp("s"))}, "left_at", "type timestamp"),
    ("times for a number", {"size": pa.array([1], pa.timestamp("s", "UTC"))}, "size", "holds times"),
    ("times for a category", {"colour": pa.array([1], pa.timestamp("s", "UTC"))}, "colour", "holds times"),
    (
        "run ends",
        {"size": pa.RunEndEncodedArray.from_arrays(pa.array([3], pa.int32()), pa.array([1.0]))},
        "size",
        "run_end",
    ),
    ("extension", {"colour": pa.array([b"x" * 16]).cast(pa.binary(16)).cast(pa.uuid())}, "colour", "type ext"),
    ("dictionary of lists", {"size": pa.DictionaryArray.from_arrays([0], pa.array([[1.0]]))}, "size", "dictionary"),
    ("unknown", {"sise": pa.array([1.0])}, "sise", "unknown column"),
    ("no rows", {"size": pa.array([], pa.float64())}, "columns", "0 rows"),
    ("too many rows", {"size": pa.array([1.0] * 10_001)}, "columns", "10000 rows"),
    ("a long text many times", {"colour": LONG}, "colour", "100000 bytes"),
    ("many views of a long text", {"colour": MANY_VIEWS}, "colour", "100000 bytes"),
    ("a long text", {"colour": pa.array(["red", "x" * 300])}, "colour", "record 1: colour has 300"),
    ("NUL", {"colour": pa.array(["a\0b"])}, "colour", "record 0: colour holds a NUL"),
    ("year 6325", {"left_at": pa.array([2**37], pa.timestamp("s", "UTC"))}, "left_at", "outside"),
    ("year 10680", {"left_at": pa.array([2**38], pa.timestamp("s", "UTC"))}, "left_at", "no calendar"),
    ("beyond microseconds", {"left_at": pa.array([2**62], pa.timestamp("s", "UTC"))}, "left_at", "no calendar"),
    ("time as number", {"left_at": pa.array([1.0])}, "left_at", "is not text"),
]


@pytest.mark.parametrize(("columns", "field", "said"), [r[1:] for r in REFUSED], ids=[r[0] for r in REFUSED])
def test_a_stream_that_is_not_taken_is_refused_by_name(columns: dict[str, Any], field: str, said: str) -> None:
    with pytest.raises(Refused) as refused:
        asked(stream(columns))
    assert (refused.value.status, refused.value.more["field"]) == (422, field)
    assert said in refused.value.detail


@pytest.mark.parametrize("codec", ["lz4", "zstd"])
@pytest.mark.parametrize("column", [pa.array([0.0] * 5000), pa.array(["red"] * 5000).dictionary_encode()])
def test_compressed_buffers_are_refused_before_they_unfold(codec: str, column: Any) -> None:
    with pytest.raises(Refused, match="compressed"):
        asked(stream({"size": column}, compression=codec))


def test_a_column_of_nulls_that_has_a_length_and_no_bytes_is_refused() -> None:
    body = stream({"size": pa.nulls(12_345)})
    without_end = body.replace(struct.pack("<q", 12_345), struct.pack("<q", 2**50))
    assert without_end != body
    with pytest.raises(Refused, match="more than 10000 rows"):
        asked(without_end)


def test_a_column_twice_is_refused() -> None:
    schema = pa.schema([("size", pa.float64()), ("size", pa.float64())])
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as writer:
        writer.write_batch(pa.record_batch([pa.array([1.0]), pa.array([2.0])], schema=schema))
    with pytest.raises(Refused, match="stands twice"):
        asked(sink.getvalue().to_pybytes())


GOOD = stream(
    {
        "size": pa.array(SIZES * 5),
        "colour": pa.array(COLOURS * 5).dictionary_encode(),
        "speed": pa.array(range(15), pa.int32()),
        "left_at": pa.array(["2013-03-01T00:00:00Z"] * 15),
    },
    parts=2,
)
BROKEN = [b"", b"ARROW1", b"{}", GOOD[:-400], GOOD[: len(GOOD) // 2], b"\xff\xff\xff\xff\xff\xff\xff\x7f", GOOD[8:]]


@pytest.mark.parametrize("body", BROKEN)
def test_what_is_no_stream_is_refused(body: bytes) -> None:
    with pytest.raises(Refused) as refused:
        asked(body)
    assert refused.value.status == 400


def damaged(seed: int) -> bytes:
    """A good stream with a few bytes, or one number of four bytes, put wrong."""
    random_ = random.Random(seed)
    body = bytearray(GOOD)
    for _ in range(random_.choice([1, 1, 2, 8])):
        body[random_.randrange(len(body))] = random_.randrange(256)
    if seed % 3 == 0:
        struct.pack_into("<i", body, random_.randrange(0, len(body) - 4, 4), random_.choice([-1, 2**31 - 1, 2**24, 0]))
    return bytes(body)


@pytest.mark.parametrize("start", range(0, 3000, 500))
def test_a_damaged_stream_is_read_or_refused_and_harms_nothing(start: int) -> None:
    refusals, read = [], []
    for seed in range(start, start + 500):
        try:
            read.append(len(asked(damaged(seed)).rows))
        except Refused as error:
            refusals.append(error)
    assert {error.status for error in refusals} <= {400, 422}
    assert max(len(error.detail) for error in refusals) < 1000
    assert all(1 <= rows <= 10_000 for rows in read)
    assert len(refusals) > 50


def test_an_answer_in_arrow_says_of_all_rows_once_what_holds_for_all() -> None:
    columns: dict[str, Sequence[Any]] = {
        "prediction_id": ["r/0", "r/1"],
        "score": [0.5, 1.0],
        "flagged": [[], ["size"]],
    }
    body = write_arrow(columns, {"request_id": "r", "release": 3})
    table = pa.ipc.open_stream(body).read_all()
    assert table.to_pydict() == columns
    assert table.schema.metadata == {b"request_id": b"r", b"release": b"3"}
    assert body == write_arrow(columns, {"request_id": "r", "release": 3})
    assert ARROW == "application/vnd.apache.arrow.stream"
