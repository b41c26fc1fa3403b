"""The client tries again with the same request until it is answered, and counts what never was."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn

from headrace.serving_client import ServingClient


@asynccontextmanager
async def answering(*answers: tuple[int, dict[str, Any]]) -> AsyncIterator[tuple[str, list[dict[str, Any]]]]:
    """A real HTTP server that gives these answers in turn and remembers what it was asked."""
    left, asked = list(answers), list[dict[str, Any]]()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        asked.append(json.loads(body))
        status, document = left.pop(0)
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": json.dumps(document).encode()})

    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, lifespan="off"))
    server.config.load()
    server.lifespan = server.config.lifespan_class(server.config)
    await server.startup()
    try:
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}", asked
    finally:
        await server.shutdown()


ANSWER = {"predictions": [{"prediction_id": "r/0", "decision": "act"}]}


async def test_an_unavailable_server_is_asked_again_with_the_same_request() -> None:
    async with answering((503, {}), (500, {}), (200, ANSWER)) as (url, asked), ServingClient(url, "flights") as client:
        assert await client.predict("r", [{"x": 1}]) == ANSWER["predictions"]
        assert [request["request_id"] for request in asked] == ["r", "r", "r"]
        assert (client.answered, client.tries_again, client.failed) == (1, 2, [])


async def test_a_refused_request_is_not_asked_again_and_counts_as_failed() -> None:
    async with answering((422, {"detail": "no"})) as (url, _asked), ServingClient(url, "flights") as client:
        assert await client.predict("r", [{"x": 1}]) == []
        assert len(client.failed) == 1
        assert "422" in client.failed[0]


async def test_a_server_that_never_answers_makes_the_request_fail() -> None:
    async with ServingClient("http://127.0.0.1:9", "flights", retry_for_seconds=0.2) as client:
        await client.outcomes("hour", [{"prediction_id": "r/0", "label": "late"}])
        assert len(client.failed) == 1
