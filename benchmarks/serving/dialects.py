"""PURE: how each server wants to be asked, and where the scores stand in its answer."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

JSON = "application/json"
ARROW = "application/vnd.apache.arrow.stream"
Record = dict[str, Any]


@dataclass(frozen=True)
class Dialect:
    """A path, a body for some records, and the scores of an answer."""

    path: str
    ask: Callable[[Sequence[Record]], Any]
    scores: Callable[[Any], list[float]]
    content_type: str = JSON
    encode: Callable[[Any], bytes] = lambda asked: json.dumps(asked, separators=(",", ":")).encode()
    decode: Callable[[bytes], Any] = json.loads

    def body(self, records: Sequence[Record]) -> bytes:
        """What is sent."""
        return self.encode(self.ask(records))

    def read(self, answer: bytes) -> list[float]:
        """What was answered."""
        return self.scores(self.decode(answer))


def _records(records: Sequence[Record]) -> Any:
    return {"records": list(records)}


def _said(answer: Any) -> list[float]:
    return [float(score) for score in answer["scores"]]


def columns_of(records: Sequence[Record]) -> dict[str, list[Any]]:
    """Records column by column."""
    return {name: [record[name] for record in records] for name in records[0]}


def _tensors(records: Sequence[Record]) -> Any:
    """The Open Inference Protocol (v2): a tensor for each column."""
    return {
        "parameters": {"content_type": "pd"},
        "inputs": [
            {
                "name": name,
                "shape": [len(cells), 1],
                "datatype": "BYTES" if any(isinstance(cell, str) for cell in cells) else "FP64",
                "data": cells,
                "parameters": {"content_type": "str" if any(isinstance(cell, str) for cell in cells) else "np"},
            }
            for name, cells in columns_of(records).items()
        ],
    }


def headrace(use_case: str) -> Dialect:
    """Ours, rows."""
    return Dialect(
        f"/v1/{use_case}/predict", _records, lambda answer: [float(each["score"]) for each in answer["predictions"]]
    )


def headrace_columns(use_case: str) -> Dialect:
    """Ours, the same column by column."""
    return Dialect(
        f"/v1/{use_case}/predict",
        lambda records: {"columns": columns_of(records)},
        lambda answer: [float(score) for score in answer["columns"]["score"]],
    )


def headrace_arrow(use_case: str) -> Dialect:
    """Ours, the same as an Arrow stream."""
    return Dialect(
        f"/v1/{use_case}/predict", columns_of, lambda answer: [float(one) for one in answer["score"]], ARROW,
        _to_arrow, _from_arrow,
    )  # fmt: skip


def _to_arrow(columns: dict[str, list[Any]]) -> bytes:
    table = pa.table(columns)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def _from_arrow(answer: bytes) -> dict[str, list[Any]]:
    return dict(pa.ipc.open_stream(answer).read_all().to_pydict())


MLFLOW = Dialect(
    "/invocations",
    lambda records: {"dataframe_records": list(records)},
    lambda answer: [float(pair[1]) for pair in answer["predictions"]],
)
BENTOML = Dialect("/predict", lambda records: {"frame": list(records)}, lambda answer: [float(one) for one in answer])
BENTOML_BATCHING = Dialect(
    "/predict", lambda records: {"rows": list(records)}, lambda answer: [float(one) for one in answer]
)
MLSERVER = Dialect(
    "/v2/models/flights/infer", _tensors, lambda answer: [float(score) for score in answer["outputs"][0]["data"]]
)
PLAIN = Dialect("/predict", _records, _said)
