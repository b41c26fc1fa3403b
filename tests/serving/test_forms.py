"""Columns and Arrow over HTTP: decided as records are, written down as the same events, repeated byte for byte."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pytest

from services.serving.front import Front, Receive, Scope, Send, respond
from services.serving.predict import Answer
from shared.spine.auth import ApiKeys
from tests.serving.fronts import open_front

PREDICT = "/v1/trains/predict"
ARROW = {"content-type": "application/vnd.apache.arrow.stream"}
COLUMNS: dict[str, Any] = {"size": [1.0, 99.0, None], "colour": ["red", None, "blue"]}


async def behind(scope: Scope, receive: Receive, send: Send) -> None:
    """The app behind: nobody asks it here."""
    await respond(send, Answer(404, b"{}"))


@pytest.fixture
async def front(tmp_path: Path) -> AsyncIterator[Front]:
    async with open_front(tmp_path, behind, 1024 * 1024, ApiKeys(None)) as front:
        yield front


@pytest.fixture
async def client(front: Front) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(front), base_url="http://serving") as client:
        yield client


def stream(columns: dict[str, Any], **metadata: str) -> bytes:
    """The columns as an Arrow stream."""
    table = pa.table(columns).replace_schema_metadata(metadata)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


async def test_columns_are_answered_in_columns_as_records_are_one_by_one(client: httpx.AsyncClient) -> None:
    records = [{"size": 1.0, "colour": "red"}, {"size": 99.0, "colour": None}, {"size": None, "colour": "blue"}]
    one_by_one = (await client.post(PREDICT, json={"request_id": "a", "records": records})).json()
    said = (await client.post(PREDICT, json={"request_id": "b", "columns": COLUMNS})).json()
    columns = said.pop("columns")
    predictions = one_by_one.pop("predictions")
    assert said == one_by_one | {"request_id": "b"}
    assert columns.pop("prediction_id") == ["b/0", "b/1", "b/2"]
    assert columns == {
        "score": [each["score"] for each in predictions],
        "decision": [each["decision"] for each in predictions],
        "reason": ["cost", "flagged", "cost"],
        "flagged": [[], ["size"], []],
    }


async def test_a_repeat_gets_its_first_answer_whatever_form_the_columns_come_in(client: httpx.AsyncClient) -> None:
    first = await client.post(PREDICT, json={"request_id": "r", "columns": COLUMNS})
    again = await client.post(PREDICT, json={"columns": COLUMNS, "request_id": "r"})
    named = await client.post(PREDICT, content=stream(COLUMNS), headers=ARROW | {"x-request-id": "r"})
    inside = await client.post(PREDICT, content=stream(COLUMNS, request_id="r"), headers=ARROW)
    assert first.status_code == 200, first.text
    assert first.content == again.content == named.content == inside.content
    assert {answer.headers["content-type"] for answer in (first, named)} == {"application/json"}
    other = await client.post(PREDICT, json={"request_id": "r", "columns": COLUMNS | {"size": [1.0, 9.0, None]}})
    rows = await client.post(PREDICT, json={"request_id": "r", "records": [{"size": 1.0}] * 3})
    assert (other.status_code, rows.status_code) == (409, 409)


async def test_an_arrow_answer_is_given_to_who_accepts_it(client: httpx.AsyncClient) -> None:
    headers = ARROW | {"accept": f"{ARROW['content-type']}, */*;q=0.1"}
    asked = stream(COLUMNS, request_id="r")
    first, again = [await client.post(PREDICT, content=asked, headers=headers) for _ in range(2)]
    assert first.headers["content-type"] == ARROW["content-type"]
    assert first.content == again.content
    table = pa.ipc.open_stream(first.content).read_all()
    as_json = (await client.post(PREDICT, content=asked, headers=ARROW)).json()
    assert table.to_pydict() == as_json["columns"]
    said = {name.decode(): value.decode() for name, value in table.schema.metadata.items()}
    assert said == {name: str(value) for name, value in as_json.items() if name != "columns"}


async def test_capacity_is_shared_by_rows_and_columns(client: httpx.AsyncClient, front: Front) -> None:
    await client.post(PREDICT, json={"records": [{"size": 1.0}] * 15})
    said = (await client.post(PREDICT, json={"columns": {"size": [1.0] * 3000}})).json()
    assert said["columns"]["reason"] == ["cost"] * 5 + ["capacity"] * 2995
    assert said["columns"]["decision"][4:6] == ["review", "act"]
    assert front.predictor.journal.ledger.taken.of("trains", "2013-03-01") == {"review": 20, "act": 2995}


async def test_a_refusal_names_the_request_and_the_column(client: httpx.AsyncClient) -> None:
    answer = await client.post(PREDICT, json={"request_id": "r", "columns": {"sise": [1]}})
    assert (answer.status_code, answer.json()["field"], answer.json()["request_id"]) == (422, "sise", "r")
    headers = ARROW | {"x-request-id": "other"}
    answer = await client.post(PREDICT, content=stream(COLUMNS, request_id="r"), headers=headers)
    assert (answer.status_code, answer.json()["field"]) == (422, "request_id")
    answer = await client.post(PREDICT, content=b"ARROW1", headers=ARROW)
    assert (answer.status_code, answer.json()["field"]) == (400, "body")
    answer = await client.post("/v1/trains/outcomes", content=stream(COLUMNS), headers=ARROW)
    assert (answer.status_code, answer.json()["allowed"]) == (415, ["application/json"])
    answer = await client.post(PREDICT, content=b"x", headers={"content-type": "application/x-arrow"})
    assert (answer.status_code, answer.json()["allowed"]) == (415, ["application/json", ARROW["content-type"]])
    answer = await client.post(PREDICT, content=json.dumps({"columns": {"size": [1]}}), headers=ARROW)
    assert answer.status_code == 400
