"""PURE: the tensors of an inference request, as JSON or as the bytes behind it, to columns."""

import struct
from typing import Any

import msgspec
import numpy as np
from msgspec import UNSET, UnsetType

from services.serving.columnar import Given
from services.serving.decode import Scalar, find_duplicate_keys
from services.serving.faults import Refused, body_fault
from services.serving.shape import MAX_RECORDS

Parameters = dict[str, Scalar]
Data = list[str | int | float | bool | list[str | int | float | bool | None] | None]

NUMBERS = {
    **{f"FP{bits}": f"<f{bits // 8}" for bits in (16, 32, 64)},
    **{f"INT{bits}": f"<i{bits // 8}" for bits in (8, 16, 32, 64)},
    **{f"UINT{bits}": f"<u{bits // 8}" for bits in (8, 16, 32, 64)},
    "BOOL": "?",
}
DATATYPES = (*NUMBERS, "BYTES")


class Tensor(msgspec.Struct):
    """One input."""

    name: str
    datatype: str
    shape: list[int]
    parameters: Parameters | UnsetType | None = UNSET
    data: Data | UnsetType = UNSET


class Output(msgspec.Struct):
    """One output that is wanted."""

    name: str
    parameters: Parameters | UnsetType | None = UNSET


class Request(msgspec.Struct):
    """What a client sends; what else it says is passed over, as the protocol asks for."""

    inputs: list[Tensor]
    id: str | UnsetType | None = UNSET
    parameters: Parameters | UnsetType | None = UNSET
    outputs: list[Output] | UnsetType | None = UNSET


_REQUEST = msgspec.json.Decoder(Request)


def read_request(text: bytes) -> Request:
    """Return the JSON part of a request; raises Refused."""
    try:
        request = _REQUEST.decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise body_fault(text, error, ("id", "parameters", "inputs", "outputs")) from error
    find_duplicate_keys(text, _keys(request))
    return request


def _keys(request: Request) -> int:
    """Return how many keys the JSON has when none stands twice, and none is there that we do not know."""
    parts: list[Any] = [request, *request.inputs, *(request.outputs or ())]
    fields = sum(getattr(part, name) is not UNSET for part in parts for name in part.__struct_fields__)
    return fields + sum(len(part.parameters or ()) for part in parts)


def column_of(tensor: Tensor, raw: bytes) -> tuple[Given, bytes]:
    """Return the column that a tensor holds, and the bytes that follow it; raises Refused naming the input."""
    name, shape = tensor.name[:100], tensor.shape
    if tensor.datatype not in DATATYPES:
        said = f"input {name!r} has the datatype {tensor.datatype[:40]!r}"
        raise Refused(422, said, field=name, allowed=list(DATATYPES))
    if not (len(shape) == 1 or (len(shape) == 2 and shape[1] == 1)) or not 0 <= shape[0] <= MAX_RECORDS:
        said = f"input {name!r} has the shape {shape[:8]}: one input is one feature, of shape [n] or [n, 1]"
        raise Refused(422, said, field=name, limit=MAX_RECORDS)
    size = (tensor.parameters or {}).get("binary_data_size")
    if size is not None:
        return _from_bytes(tensor, raw, size)
    if tensor.data is UNSET:
        raise Refused(422, f"input {name!r} has no data", field=name)
    return _from_list(tensor, tensor.data), raw


def _from_list(tensor: Tensor, data: Data) -> list[Scalar]:
    name = tensor.name[:100]
    values: list[Any] = data
    if any(type(each) is list for each in data):
        if any(type(each) is not list or len(each) != 1 for each in data):
            raise Refused(422, f"the data of input {name!r} is not of shape {tensor.shape}", field=name)
        values = [each[0] for each in values]
    if len(values) != tensor.shape[0]:
        said = f"input {name!r} has {len(values)} values, and the shape {tensor.shape}"
        raise Refused(422, said, field=name)
    # The tensor says of itself that these are truth values: 0 and 1, as the model was taught.
    return [float(each) if type(each) is bool else each for each in values] if tensor.datatype == "BOOL" else values


def _from_bytes(tensor: Tensor, raw: bytes, size: Scalar) -> tuple[Given, bytes]:
    name, count = tensor.name[:100], tensor.shape[0]
    if type(size) is not int or not 0 <= size <= len(raw):
        raise Refused(400, f"input {name!r} has {size} bytes, and {len(raw)} are there", field=name)
    mine, rest = raw[:size], raw[size:]
    if tensor.datatype == "BYTES":
        return _texts(name, mine, count), rest
    kind = np.dtype(NUMBERS[tensor.datatype])
    if size != count * kind.itemsize:
        said = f"input {name!r} has {size} bytes, {count} values of {tensor.datatype} have {count * kind.itemsize}"
        raise Refused(400, said, field=name)
    return np.frombuffer(mine, kind).astype(np.float64), rest


def _texts(name: str, content: bytes, count: int) -> list[Scalar]:
    """Return texts, each behind its length in four bytes."""
    texts: list[Scalar] = []
    at = 0
    try:
        while at < len(content):
            (length,) = struct.unpack_from("<I", content, at)
            if at + 4 + length > len(content):
                raise ValueError("a text is cut off")
            texts.append(content[at + 4 : at + 4 + length].decode())
            at += 4 + length
    except (struct.error, ValueError) as error:
        raise Refused(400, f"input {name!r} holds no texts of UTF-8: {error}", field=name) from error
    if len(texts) != count:
        raise Refused(400, f"input {name!r} has {len(texts)} texts, and {count} by its shape", field=name)
    return texts
