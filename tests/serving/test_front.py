"""HTTP: limits, media types, methods and paths are answered with problem details; the rest goes to the app behind."""

import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.serving.front import Front, Receive, Scope, Send, respond
from services.serving.predict import Answer
from shared.spine.auth import ApiKeys
from shared.spine.throttle import Throttle
from tests.serving.fronts import open_front
from tests.serving.toy import NOW

LIMIT = 2048


async def behind(scope: Scope, receive: Receive, send: Send) -> None:
    """The app behind: says that it was asked."""
    await respond(send, Answer(200, b'{"behind": true}'))


@pytest.fixture
async def front(tmp_path: Path) -> AsyncIterator[Front]:
    async with open_front(tmp_path, behind, LIMIT, ApiKeys(None)) as front:
        yield front


@pytest.fixture
async def client(front: Front) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(front), base_url="http://serving") as client:
        yield client


PREDICT = "/v1/trains/predict"
JSON = {"content-type": "application/json"}
LATIN = {"content-type": "application/json; charset=latin-1"}


@pytest.mark.parametrize(
    ("request_", "status", "said"),
    [
        (("GET", PREDICT, {}), 405, "not allowed"),
        (("PUT", "/v1/trains/outcomes", {}), 405, "not allowed"),
        (("POST", "/v1/status", {}), 405, "not allowed"),
        (("POST", "/v1/trains", {}), 404, "nothing at"),
        (("POST", "/v1/trains/predict/x", {}), 404, "nothing at"),
        (("POST", "/v1/planes/predict", {"json": {"record": {}}}), 404, "no use case"),
        (("POST", "/v1/planes/outcomes", {"json": {}}), 404, "no use case"),
        (("POST", "/v1/%00/predict", {"json": {}}), 404, "no use case"),
        (("POST", "/v1/../predict", {"json": {}}), 404, ""),
        (("POST", PREDICT, {"data": {"a": "b"}}), 415, "must be application/json"),
        (
            ("POST", PREDICT, {"content": b"{}", "headers": {"content-type": "application/json; charset=latin-1"}}),
            415,
            "",
        ),
        (("POST", PREDICT, {"content": b"{}", "headers": JSON | {"content-encoding": "gzip"}}), 415, "encoded"),
        (("POST", PREDICT, {"content": b"", "headers": JSON}), 400, "empty"),
        (("POST", PREDICT, {"content": b"x" * (LIMIT + 1), "headers": JSON}), 413, "2048"),
        (("POST", PREDICT, {"content": b"{}", "headers": JSON | {"content-length": "many"}}), 400, "content-length"),
        (("POST", PREDICT, {"content": b"{", "headers": JSON}), 400, "not JSON"),
    ],
)
async def test_a_wrong_request_gets_problem_details(
    client: httpx.AsyncClient, request_: tuple[str, str, dict[str, Any]], status: int, said: str
) -> None:
    method, path, more = request_
    answer = await client.request(method, path, **more)
    if path == "/v1/../predict":  # normalised by the client to /predict: the app behind
        assert answer.json() == {"behind": True}
        return
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    document = answer.json()
    assert {"type", "title", "status", "detail"} <= document.keys()
    assert said in document["detail"]


async def test_a_body_in_pieces_is_limited_as_a_whole(client: httpx.AsyncClient) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(10):
            yield b" " * 500

    answer = await client.post(PREDICT, content=pieces(), headers=JSON)
    assert (answer.status_code, answer.json()["limit"]) == (413, LIMIT)


async def test_a_good_request_is_answered_and_other_paths_go_behind(client: httpx.AsyncClient) -> None:
    answer = await client.post(PREDICT, json={"record": {"size": 1}})
    assert answer.json()["predictions"][0]["decision"] == "review"
    assert (await client.get("/docs.json")).json() == {"behind": True}
    docs = await client.get("/docs")
    assert (docs.status_code, docs.headers["location"]) == (307, "/")
    assert (await client.get("/healthz")).json() == {"status": "alive"}
    assert "serving_requests_total" in (await client.get("/metrics")).text


async def test_readiness_says_why_not_and_status_what_is_pending(client: httpx.AsyncClient, front: Front) -> None:
    front.health.started = False
    answer = await client.get("/readyz")
    assert answer.status_code == 503
    assert "has not read the releases" in answer.json()["reasons"][0]
    front.health.follower.caught_up = True
    assert (await client.get("/readyz")).status_code == 200
    await client.post(PREDICT, json={"record": {"size": 1}})
    status = (await client.get("/v1/status")).json()
    assert status["pending"] == {"spool_unacked": 1, "activations": 0, "starting": 0}
    assert (status["service"], status["quiet"], status["clock"]) == ("serving", False, NOW.isoformat())
    assert status["detail"]["releases"] == {"trains": 1}
    front.health.draining = True
    assert (await client.get("/readyz")).json()["reasons"] == ["stopping"]


async def test_with_api_keys_a_caller_needs_the_role(
    client: httpx.AsyncClient, front: Front, tmp_path: Path, key_file: Callable[[dict[str, list[str]]], Path]
) -> None:
    front.keys = ApiKeys(key_file({"reader": ["viewer"], "writer": ["publisher"]}))
    for path in (PREDICT, "/predict"):
        for key, status in ((None, 401), ("wrong", 401), ("reader", 403), ("writer", 200)):
            headers = {"authorization": f"Bearer {key}"} if key else {}
            answer = await client.post(path, json={"record": {"size": 1}}, headers=headers)
            assert answer.status_code == status, (path, key)


async def test_the_app_behind_is_given_nothing_but_what_the_front_would_take(client: httpx.AsyncClient) -> None:
    assert (await client.post("/predict", json={"use_case": "trains"})).json() == {"behind": True}
    pickled = {"content-type": "application/vnd.bentoml+pickle"}
    for method, path, more, status in (
        ("POST", "/predict", {"content": b"\x80\x04.", "headers": pickled}, 415),
        ("POST", "/predict", {"files": {"x": b"y"}}, 415),
        ("POST", "/predict", {"content": b" " * (LIMIT + 1), "headers": JSON}, 413),
        ("PUT", "/predict", {"json": {}}, 405),
        ("POST", "/", {"json": {}}, 404),
        ("DELETE", "/schema.json", {}, 404),
    ):
        answer = await client.request(method, path, **more)
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), path


async def test_who_asks_too_often_is_told_when_to_come_again(client: httpx.AsyncClient, front: Front) -> None:
    front.throttle = Throttle(0.5)
    seen = [await client.post(PREDICT, json={"record": {"size": 1}}) for _ in range(3)]
    assert [answer.status_code for answer in seen] == [200, 429, 429]
    assert 1 <= int(seen[-1].headers["retry-after"]) <= 2
    assert seen[-1].json()["limit"] == 0.5
    assert (await client.get("/healthz")).status_code == 200


@pytest.fixture
def key_file(tmp_path: Path) -> Callable[[dict[str, list[str]]], Path]:
    """Write a file of API keys; each name is its own key."""
    from hashlib import sha256

    def write(roles: dict[str, list[str]]) -> Path:
        path = tmp_path / "keys"
        lines = [{"name": n, "roles": r, "sha256": sha256(n.encode()).hexdigest()} for n, r in roles.items()]
        path.write_text("\n".join(map(json.dumps, lines)))
        return path

    return write


@pytest.mark.parametrize("verb", ["predict", "outcomes"])
async def test_a_worker_that_has_not_read_the_releases_says_later_and_not_never(
    front: Front, client: httpx.AsyncClient, verb: str
) -> None:
    front.health.started = False
    answer = await client.post(f"/v1/planes/{verb}", json={"record": {}})
    assert answer.status_code == 503
    assert "not known here yet" in answer.json()["detail"]
