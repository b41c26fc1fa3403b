"""Attacks on serving's other forms of a request: columns, Arrow streams, tensors of the inference protocol."""

import json
from typing import Any, Literal

import pyarrow as pa

from tests.security.attack import PICKLE, Attack

PREDICT, INFER = "/v1/trains/predict", "/v2/models/trains/infer"
STREAM = {"content-type": "application/vnd.apache.arrow.stream"}


def _columns(columns: Any, **said: object) -> Attack:
    return Attack("serving", "POST", PREDICT, json.dumps({"columns": columns} | said).encode())


def _stream(columns: dict[str, Any], *, compression: Literal["zstd"] | None = None, **headers: str) -> Attack:
    table = pa.table(columns)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as writer:
        writer.write_table(table)
    more = {name.replace("_", "-"): value for name, value in headers.items()}
    return Attack("serving", "POST", PREDICT, sink.getvalue().to_pybytes(), STREAM | more)


def _tensor(path: str = INFER, **said: Any) -> Attack:
    tensor = {"name": "size", "datatype": "FP64", "shape": [1], "data": [1.0]} | said
    return Attack("serving", "POST", path, json.dumps({"inputs": [tensor]}).encode())


def _binary(header: dict[str, Any], raw: bytes, length: int | None = None) -> Attack:
    text = json.dumps(header).encode()
    said = {"inference-header-content-length": str(len(text) if length is None else length)}
    return Attack("serving", "POST", INFER, text + raw, {"content-type": "application/octet-stream"} | said)


def _behind(datatype: str, count: int, size: int) -> dict[str, Any]:
    tensor = {"name": "colour", "datatype": datatype, "shape": [count], "parameters": {"binary_data_size": size}}
    return {"inputs": [tensor]}


_LONG = pa.DictionaryArray.from_arrays(pa.array([0] * 9000, pa.int8()), pa.array(["x" * 100_000]))
FORM_ATTACKS = {
    "columns: unequal": _columns({"size": [1.0], "speed": [1.0, 2.0]}),
    "columns: unknown": _columns({"__proto__": [1]}),
    "columns: a reference": _columns({"size": [{"$ref": "http://169.254.169.254/"}]}),
    "columns: an address": _columns("http://127.0.0.1:22/"),
    "columns: integer of 400 digits": _columns({"size": [10**400]}),
    "columns: pickle": _columns({"colour": ["\0" + PICKLE.decode("latin-1")]}),
    "columns: 10,001": _columns({"size": [1] * 10_001}),
    "columns: deep": Attack("serving", "POST", PREDICT, b'{"columns": ' + b"[" * 200_000 + b"]" * 200_000 + b"}"),
    "columns: twice": Attack("serving", "POST", PREDICT, b'{"columns": {"size": [1], "size": [2]}}'),
    "columns: id with a path": _columns({"size": [1.0]}, request_id="../../r-1"),
    "arrow: a pickle": Attack("serving", "POST", PREDICT, PICKLE, STREAM),
    "arrow: no stream": Attack("serving", "POST", PREDICT, b"\xff\xff\xff\xff" * 1000, STREAM),
    "arrow: a stream that unfolds": _stream({"size": pa.array([0.0] * 10_000)}, compression="zstd"),
    "arrow: a long text 9,000 times": _stream({"colour": _LONG}),
    "arrow: nested": _stream({"size": pa.array([[1.0]])}),
    "arrow: an extension": _stream({"colour": pa.array([b"x" * 16]).cast(pa.binary(16)).cast(pa.uuid())}),
    "arrow: a pickle within": _stream({"colour": pa.array([PICKLE])}),
    "arrow: id of two lines": _stream({"size": pa.array([1.0])}, x_request_id="r-1/../x"),
    "arrow: for outcomes": Attack("serving", "POST", "/v1/trains/outcomes", b"ARROW1", STREAM),
    "v2: traversal": _tensor("/v2/models/..%2f..%2ftrains/infer"),
    "v2: another version": _tensor("/v2/models/trains/versions/..%2f1/infer"),
    "v2: load a model": _tensor("/v2/repository/models/evil/load"),
    "v2: a shape without end": _tensor(shape=[10**18]),
    "v2: many dimensions": _tensor(shape=[1] * 10_000),
    "v2: datatype": _tensor(datatype="pickle"),
    "v2: content type": _tensor(parameters={"content_type": "pickle"}),
    "v2: nested": _tensor(data=[[[[1.0]]]]),
    "v2: an address": _tensor(data="http://169.254.169.254/"),
    "v2: shared memory": _tensor(data=[], parameters={"shared_memory_region": "/etc/passwd"}),
    "v2: texts without end": _binary(_behind("BYTES", 1, 8), b"\xff\xff\xff\xff" * 2),
    "v2: more bytes than there are": _binary(_behind("FP64", 1000, 8000), b"x"),
    "v2: less than nothing": _binary(_behind("FP64", 1, -8), b"12345678"),
    "v2: a header beyond the body": _binary(_behind("BYTES", 1, 0), b"", 10**6),
    "v2: a pickle": _binary(_behind("BYTES", 1, len(PICKLE)), PICKLE),
}
