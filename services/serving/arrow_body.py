"""An Arrow IPC stream to columns, as a stranger's bytes: nothing compressed, nested or extended, each buffer checked.

pyarrow is imported at the first use. A stream can claim more than it holds: a compressed buffer unfolds without limit,
a column of nulls has a length and no bytes, a dictionary repeats a long text for four bytes. Each is met before it
grows.
"""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from services.serving.columnar import Coded, Given, Moments, check_known
from services.serving.faults import Refused
from services.serving.shape import MAX_RECORDS, MAX_TEXT
from shared.contract import Contract

if TYPE_CHECKING:
    import pyarrow as pa

ARROW = "application/vnd.apache.arrow.stream"
TYPES = ("integer", "floating", "bool", "string", "large_string", "dictionary of these", "timestamp with zone", "null")


@dataclass(frozen=True)
class Stream:
    """What a stream says."""

    request_id: str | None
    columns: Mapping[str, Given]


def read_arrow(body: bytes, contract: Contract) -> Stream:
    """Return the columns of all batches. Raises Refused: 400 for no stream, 422 for a column that is not taken."""
    import pyarrow as pa

    try:
        batches, schema = _batches(body, contract)
        columns: dict[str, Given] = {}
        for place, name in enumerate(schema.names):
            columns[name] = _column(name, schema.field(place).type, [batch.column(place) for batch in batches])
        given = (schema.metadata or {}).get(b"request_id")
        return Stream(given.decode() if given else None, columns)
    except (pa.ArrowException, OSError, ValueError, MemoryError, struct.error, LookupError, OverflowError) as error:
        raise Refused(400, f"the body is no Arrow stream: {str(error)[:300]}", field="body") from error


def write_arrow(columns: Mapping[str, Sequence[Any]], said: Mapping[str, Any]) -> bytes:
    """Return an answer as one batch; what holds for all rows stands in the schema's metadata."""
    import pyarrow as pa

    kinds: dict[str, pa.DataType] = {"flagged": pa.list_(pa.string())}
    kinds |= dict.fromkeys(("prediction_id", "decision", "reason", "arm"), pa.string())
    schema = pa.schema(
        [(name, kinds.get(name, pa.float64())) for name in columns],
        metadata={name: str(value) for name, value in said.items()},
    )
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as writer:
        writer.write_batch(pa.record_batch([pa.array(columns[f.name], f.type) for f in schema], schema=schema))
    return sink.getvalue().to_pybytes()


def _batches(body: bytes, contract: Contract) -> "tuple[list[pa.RecordBatch], pa.Schema]":
    import pyarrow as pa

    buffer = pa.py_buffer(body)
    for message in pa.ipc.MessageReader.open_stream(buffer):
        _refuse_compressed(message)
    reader = pa.ipc.open_stream(buffer)
    # Before a single value is read: a column that nobody knows may hold nothing but a length.
    check_known(contract, reader.schema.names)
    _check_schema(reader.schema)
    batches, rows = [], 0
    for batch in reader:
        rows += batch.num_rows
        if rows > MAX_RECORDS:
            raise Refused(422, f"more than {MAX_RECORDS} rows", field="columns", limit=MAX_RECORDS)
        batch.validate(full=True)
        batches.append(batch)
    return batches, reader.schema


def _check_schema(schema: "pa.Schema") -> None:
    if len(set(schema.names)) < len(schema.names):
        name = next(name for name in schema.names if schema.names.count(name) > 1)
        raise Refused(422, f"the column {name[:100]!r} stands twice", field=name[:100])
    for each in schema:
        if b"ARROW:extension:name" in (each.metadata or {}) or not _is_taken(each.type):
            said = f"column {each.name[:100]!r} has the type {str(each.type)[:100]}"
            raise Refused(422, said, field=each.name[:100], allowed=list(TYPES))


def _is_taken(kind: "pa.DataType") -> bool:
    import pyarrow.types as t

    if t.is_dictionary(kind):
        return not t.is_dictionary(kind.value_type) and _is_taken(kind.value_type)
    if t.is_timestamp(kind):
        return kind.tz is not None
    return _is_text(kind) or any(check(kind) for check in (t.is_integer, t.is_floating, t.is_boolean, t.is_null))


def _is_text(kind: "pa.DataType") -> bool:
    import pyarrow.types as t

    return t.is_string(kind) or t.is_large_string(kind) or t.is_string_view(kind)


def _column(name: str, kind: "pa.DataType", parts: Sequence[Any]) -> Given:
    """Return one column of all batches."""
    import pyarrow as pa
    import pyarrow.types as t

    inner = kind.value_type if t.is_dictionary(kind) else kind
    if _is_text(inner):
        return _coded(name, parts)
    plain = [part.dictionary_decode() if t.is_dictionary(kind) else part for part in parts]
    if t.is_timestamp(inner):
        return _moments(name, plain)
    numbers = [part.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False) for part in plain]
    return np.concatenate([np.empty(0), *numbers]).astype(np.float64, copy=False)


def _moments(name: str, parts: Sequence[Any]) -> Moments:
    import pyarrow as pa
    import pyarrow.compute as pc

    in_utc = pc.CastOptions(pa.timestamp("us", "UTC"), allow_time_truncate=True)
    try:
        return Moments([moment for part in parts for moment in part.cast(options=in_utc).to_pylist()])
    except (pa.ArrowInvalid, OverflowError, ValueError) as error:
        raise Refused(422, f"column {name} holds a time that no calendar has", field=name) from error


def _coded(name: str, parts: "Sequence[pa.Array[Any]]") -> Coded:
    """Return text by code; batches may have dictionaries of their own."""
    import pyarrow as pa

    place_of: dict[str, int] = {}
    codes = [np.empty(0, dtype=np.int64)]
    for part in parts:
        coded: Any = part
        if not isinstance(part, pa.DictionaryArray):
            _check_lengths(name, part)
            coded = part.dictionary_encode()
        _check_lengths(name, coded.dictionary)
        texts: list[str | None] = coded.dictionary.to_pylist()
        places = np.array([*(-1 if text is None else place_of.setdefault(text, len(place_of)) for text in texts), -1])
        codes.append(places[coded.indices.cast(pa.int64()).fill_null(len(texts)).to_numpy(zero_copy_only=False)])
    return Coded(np.concatenate(codes), list(place_of))


def _check_lengths(name: str, texts: Any) -> None:
    """Raise Refused for a long text before it is copied: many rows may point at the same one."""
    import pyarrow.compute as pc
    import pyarrow.types as t

    if t.is_string_view(texts.type):
        # A view is 16 bytes that begin with its length.
        lengths = np.frombuffer(texts.buffers()[1], "<i4").reshape(-1, 4)[texts.offset :][: len(texts), 0]
        longest = int(lengths.max(initial=0, where=texts.is_valid().to_numpy(zero_copy_only=False)))
    else:
        longest = pc.max(pc.binary_length(texts)).as_py() or 0
    if longest > 4 * MAX_TEXT:
        said = f"column {name} has a text of {longest} bytes, at most {MAX_TEXT} characters are allowed"
        raise Refused(422, said, field=name, limit=MAX_TEXT)


def _refuse_compressed(message: "pa.ipc.Message") -> None:
    """Raise Refused when the buffers of a message are compressed, which pyarrow itself does not let us forbid."""
    if message.type not in ("record batch", "dictionary"):
        return
    table = _Table(message.metadata.to_pybytes())
    batch = table.follow(2)
    if message.type == "dictionary":
        batch = batch.follow(1)
    if batch.has(3):
        raise Refused(422, "compressed buffers are not taken: write the stream without compression", field="body")


@dataclass(frozen=True)
class _Table:
    """One table of a flatbuffer, as far as finding its fields; Arrow's format/Message.fbs numbers them."""

    content: bytes
    start: int = -1

    @property
    def _at(self) -> int:
        return self.start if self.start >= 0 else int(struct.unpack_from("<I", self.content, 0)[0])

    def _offset(self, field: int) -> int:
        entry = self._at - struct.unpack_from("<i", self.content, self._at)[0]
        (size,) = struct.unpack_from("<H", self.content, entry)
        place = 4 + 2 * field
        return int(struct.unpack_from("<H", self.content, entry + place)[0]) if place < size else 0

    def has(self, field: int) -> bool:
        """Whether the field is there."""
        return self._offset(field) != 0

    def follow(self, field: int) -> "_Table":
        """Return the table that a field points to."""
        where = self._at + self._offset(field)
        return _Table(self.content, where + struct.unpack_from("<I", self.content, where)[0])
