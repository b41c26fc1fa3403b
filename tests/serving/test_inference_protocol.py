"""The Open Inference Protocol: paths, tensors in JSON and in bytes, errors of its own form, the same decisions."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import numpy as np
import pytest

from services.serving.front import Front, Receive, Scope, Send, respond
from services.serving.predict import Answer
from shared.spine.auth import ApiKeys
from shared.spine.throttle import Throttle
from tests.security.apps import make_keys
from tests.serving.fronts import open_front

INFER = "/v2/models/trains/infer"
SIZE: dict[str, Any] = {"name": "size", "datatype": "FP64", "shape": [2], "data": [1.0, 99.0]}
COLOUR: dict[str, Any] = {"name": "colour", "datatype": "BYTES", "shape": [2, 1], "data": [["red"], [None]]}


async def behind(scope: Scope, receive: Receive, send: Send) -> None:
    """The app behind: nobody asks it here."""
    await respond(send, Answer(404, b"{}"))


@pytest.fixture
async def front(tmp_path: Path) -> AsyncIterator[Front]:
    async with open_front(tmp_path, behind, 100_000, ApiKeys(None)) as front:
        yield front


@pytest.fixture
async def client(front: Front) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(front), base_url="http://serving") as client:
        yield client


async def infer(client: httpx.AsyncClient, *inputs: dict[str, Any], **more: Any) -> dict[str, Any]:
    """The outputs of a request by name, or its error."""
    answer = await client.post(INFER, json={"inputs": list(inputs), **more})
    document = answer.json()
    if answer.status_code != 200:
        return {"status": answer.status_code, **document}
    return {each["name"]: each for each in document["outputs"]}


async def test_health_and_metadata(client: httpx.AsyncClient, front: Front) -> None:
    found = {path: await client.get(f"/v2{path}") for path in ("", "/", "/health/live", "/health/ready", "/models")}
    assert {answer.status_code for answer in found.values()} == {200}
    assert found[""].json() == found["/"].json() == {
        "name": "headrace", "version": "2", "extensions": ["binary_tensor_data"]
    }  # fmt: skip
    assert (found["/health/live"].json(), found["/health/ready"].json()) == ({"live": True}, {"ready": True})
    assert found["/models"].json() == {"models": ["trains"]}
    for path in ("/v2/models/trains/ready", "/v2/models/trains/versions/1/ready"):
        assert (await client.get(path)).json() == {"name": "trains", "ready": True}
    model = (await client.get("/v2/models/trains")).json()
    assert (model["name"], model["versions"]) == ("trains", ["1"])
    assert [(each["name"], each["datatype"]) for each in model["inputs"]] == [
        *(("size", "FP64"), ("speed", "FP64"), ("colour", "BYTES"), ("left_at", "BYTES"))
    ]
    assert [each["name"] for each in model["outputs"]] == ["prediction_id", "score", "decision", "reason"]
    front.health.draining = True
    for path in ("/v2/health/ready", "/v2/models/trains/ready"):
        assert (await client.get(path)).status_code == 503
    assert (await client.get("/v2/health/live")).status_code == 200


async def test_an_inference_is_the_prediction_that_the_same_records_get(client: httpx.AsyncClient) -> None:
    records = [{"size": 1.0, "colour": "red"}, {"size": 99.0}]
    rows = (await client.post("/v1/trains/predict", json={"records": records})).json()["predictions"]
    answer = await client.post(INFER, json={"id": "r", "inputs": [SIZE, COLOUR]})
    said = answer.json()
    assert (said["model_name"], said["model_version"], said["id"]) == ("trains", "1", "r")
    outputs = {each["name"]: each for each in said["outputs"]}
    for name in ("score", "decision", "reason"):
        assert outputs[name]["data"] == [row[name] for row in rows]
    assert outputs["prediction_id"]["data"] == ["r/0", "r/1"]
    assert (outputs["score"]["datatype"], outputs["score"]["shape"]) == ("FP64", [2])
    again = await client.post("/v2/models/trains/versions/1/infer", json={"inputs": [COLOUR, SIZE], "id": "r"})
    assert again.content == answer.content


async def test_only_the_outputs_that_are_wanted_are_said(client: httpx.AsyncClient) -> None:
    wanted = [{"name": "decision", "parameters": {"binary_data": True}}]
    assert list(await infer(client, SIZE, outputs=wanted, parameters={"content_type": "pd"})) == ["decision"]
    refused = await infer(client, SIZE, outputs=[{"name": "probability"}])
    assert refused["status"] == 422
    assert "'probability' (allowed: prediction_id, score" in refused["error"]


@pytest.mark.parametrize(
    ("datatype", "data"),
    [("FP32", [1.0, 99.0]), ("INT64", [1, 99]), ("UINT8", [1, 99]), ("FP64", [[1], [99]])],
)
async def test_numbers_of_any_datatype_are_taken(client: httpx.AsyncClient, datatype: str, data: list[Any]) -> None:
    shape = [2, 1] if isinstance(data[0], list) else [2]
    outputs = await infer(client, {"name": "size", "datatype": datatype, "shape": shape, "data": data})
    assert outputs["reason"]["data"] == ["cost", "flagged"]


async def test_truth_values_are_numbers_and_text_for_a_number_is_flagged(client: httpx.AsyncClient) -> None:
    truth = {"name": "speed", "datatype": "BOOL", "shape": [2], "data": [True, False]}
    text = {"name": "size", "datatype": "BYTES", "shape": [2], "data": ["1", None]}
    assert (await infer(client, truth))["reason"]["data"] == ["cost", "cost"]
    assert (await infer(client, truth, text))["reason"]["data"] == ["flagged", "cost"]


def packed(*texts: str) -> bytes:
    """Texts as the binary extension writes them."""
    return b"".join(len(text.encode()).to_bytes(4, "little") + text.encode() for text in texts)


def binary(name: str, datatype: str, count: int, size: int) -> dict[str, Any]:
    """An input whose data lies behind the JSON."""
    return {"name": name, "datatype": datatype, "shape": [count], "parameters": {"binary_data_size": size}}


def in_bytes(header: dict[str, Any], raw: bytes) -> tuple[bytes, dict[str, str]]:
    """Body and headers of a request with binary tensors."""
    text = msgspec.json.encode(header)
    kind = {"content-type": "application/octet-stream"}
    return text + raw, {"inference-header-content-length": str(len(text)), **kind}


async def test_binary_tensors_mean_what_json_says(client: httpx.AsyncClient) -> None:
    sizes, colours = np.array([1.0, 99.0], dtype="<f4").tobytes(), packed("red", "blau")
    inputs = [binary("size", "FP32", 2, 8), binary("colour", "BYTES", 2, len(colours)), {**SIZE, "name": "speed"}]
    header = {"id": "r", "inputs": inputs, "parameters": {"binary_data_output": True}}
    body, headers = in_bytes(header, sizes + colours)
    answer = await client.post(INFER, content=body, headers=headers)
    assert answer.status_code == 200, answer.text
    said = [SIZE, {**COLOUR, "shape": [2], "data": ["red", "blau"]}, {**SIZE, "name": "speed"}]
    again = await client.post(INFER, json={"id": "r", "inputs": said})
    assert again.content == answer.content


BROKEN: list[tuple[str, list[dict[str, Any]], str]] = [
    ("unknown input", [{**SIZE, "name": "sise"}], "unknown column 'sise' (allowed: colour"),
    ("twice", [SIZE, SIZE], "'size' stands twice"),
    ("none", [], "0 rows"),
    ("one tensor for all features", [{**SIZE, "name": "input-0", "shape": [1, 2]}], "one input is one feature"),
    ("another shape", [{**SIZE, "shape": [3]}], "has 2 values, and the shape [3]"),
    ("no shape", [{**SIZE, "shape": []}], "one input is one feature"),
    ("negative", [{**SIZE, "shape": [-1]}], "one input is one feature"),
    ("ragged", [{**SIZE, "data": [[1.0], [1.0, 2.0]]}], "not of shape"),
    ("no data", [{"name": "size", "datatype": "FP64", "shape": [1]}], "has no data"),
    ("datatype", [{**SIZE, "datatype": "FP8"}], "datatype 'FP8' (allowed: FP16"),
    ("unequal", [SIZE, {**COLOUR, "shape": [1], "data": ["red"]}], "colour has 1 values, column size has 2"),
    ("content type", [{**SIZE, "parameters": {"content_type": "base64"}}], "content_type 'base64' is not taken"),
    ("long text", [{**COLOUR, "data": [["x" * 300], [None]]}], "colour has 300 characters"),
    ("no bytes behind", [binary("size", "FP64", 1, 8)], "has 8 bytes, and 0 are there"),
]


@pytest.mark.parametrize(("inputs", "said"), [b[1:] for b in BROKEN], ids=[b[0] for b in BROKEN])
async def test_what_cannot_be_read_is_refused_by_name(
    client: httpx.AsyncClient, inputs: list[dict[str, Any]], said: str
) -> None:
    found = await infer(client, *inputs)
    assert found.keys() == {"status", "error"}
    assert found["status"] in (400, 422)
    assert said in found["error"]


@pytest.mark.parametrize(
    ("inputs", "raw", "said"),
    [
        ([binary("size", "FP64", 1, 4)], b"1234", "1 values of FP64 have 8"),
        ([binary("size", "FP64", 1, 8)], b"12345678xyz", "3 bytes are left"),
        ([binary("colour", "BYTES", 1, 6)], b"\xff\xff\xff\x7fre", "cut off"),
        ([binary("colour", "BYTES", 1, 6)], b"\x02\0\0\0\xff\xfe", "UTF-8"),
        ([binary("colour", "BYTES", 2, 7)], packed("red"), "has 1 texts, and 2 by its shape"),
        ([binary("size", "FP64", 1, -8)], b"12345678", "has -8 bytes"),
    ],
)
async def test_broken_bytes_are_refused(
    client: httpx.AsyncClient, inputs: list[dict[str, Any]], raw: bytes, said: str
) -> None:
    body, headers = in_bytes({"inputs": inputs}, raw)
    answer = await client.post(INFER, content=body, headers=headers)
    assert answer.status_code in (400, 422)
    assert said in answer.json()["error"]


@pytest.mark.parametrize(
    ("method", "path", "more", "status", "said"),
    [
        ("GET", "/v2/models/planes", {}, 404, "no use case 'planes' (allowed: trains"),
        ("GET", "/v2/models/trains/versions/7", {}, 404, "trains serves version 1 now, not 7"),
        ("POST", "/v2/models/trains/versions/7/infer", {"json": {"inputs": [SIZE]}}, 404, "version 1 now"),
        ("POST", "/v2/models/planes/infer", {"json": {"inputs": [SIZE]}}, 404, "no use case"),
        ("GET", INFER, {}, 405, "not allowed"),
        ("POST", "/v2/models/trains", {"json": {}}, 405, "not allowed"),
        ("GET", "/v2/models/trains/config", {}, 404, "nothing at"),
        ("POST", "/v2/repository/index", {"json": {}}, 404, "nothing at"),
        ("POST", INFER, {"content": b"{"}, 400, "not JSON"),
        ("POST", INFER, {"json": {"inputs": [{**SIZE, "data": [{"a": 1}, 1.0]}]}}, 422, "object"),
        ("POST", INFER, {"json": {}}, 422, "inputs"),
        ("POST", INFER, {"content": b'{"id": "a", "inputs": [], "id": "b"}'}, 422, "twice"),
        ("POST", INFER, {"json": {"id": "a/b", "inputs": [SIZE]}}, 422, "request_id must match"),
        ("POST", INFER, {"content": b" " * 100_001}, 413, "100000 bytes"),
        ("POST", INFER, {"content": b"x", "headers": {"content-type": "application/octet-stream"}}, 415, "json"),
        ("POST", INFER, {"content": b"{}", "headers": {"inference-header-content-length": "9"}}, 400, "no number"),
        ("POST", INFER, {"content": b"{}", "headers": {"inference-header-content-length": "-1"}}, 400, "no number"),
    ],
)
async def test_errors_have_the_form_of_the_protocol(
    client: httpx.AsyncClient, method: str, path: str, more: dict[str, Any], status: int, said: str
) -> None:
    answer = await client.request(method, path, **more)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert list(answer.json()) == ["error"]
    assert said in answer.json()["error"]


async def test_keys_and_the_throttle_are_those_of_every_route(
    client: httpx.AsyncClient, front: Front, tmp_path: Path
) -> None:
    keys = make_keys(tmp_path / "keys")
    front.keys = ApiKeys(tmp_path / "keys")
    for role, looks, asks in (("viewer", 200, 403), ("publisher", 200, 200), ("", 401, 401)):
        headers = {"authorization": f"Bearer {keys[role]}"} if role else {}
        assert (await client.get("/v2/models/trains", headers=headers)).status_code == looks
        assert (await client.post(INFER, json={"inputs": [SIZE]}, headers=headers)).status_code == asks
    assert (await client.get("/v2/health/ready")).status_code == 200
    front.keys, front.throttle = ApiKeys(None), Throttle(0.5)
    seen = [await client.post(INFER, json={"inputs": [SIZE]}) for _ in range(3)]
    assert [answer.status_code for answer in seen] == [200, 429, 429]
    assert "retry-after" in seen[-1].headers
