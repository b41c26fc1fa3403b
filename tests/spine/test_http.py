"""Every error over HTTP is a problem document of RFC 9457 that names the field."""

from pathlib import Path
from typing import Annotated, Any

import httpx
import pytest
from fastapi import Body, FastAPI
from pydantic import BaseModel, ConfigDict, Field

from shared.spine import http
from shared.spine.errors import TransientError
from shared.spine.problems import Problem


class Wanted(BaseModel):
    """A strict body."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    use_case: Annotated[str, Field(max_length=8)]
    rate: float = 0.0


def app() -> FastAPI:
    """An app that fails in every way."""
    application = FastAPI()
    http.install(application)

    @application.post("/take")
    async def take(wanted: Annotated[Wanted, Body()]) -> str:
        return wanted.use_case

    @application.get("/fail/{how}")
    async def fail(how: str) -> None:
        errors: dict[str, Exception] = {
            "problem": Problem(409, "sequence 3 is live", sequence=3),
            "transient": TransientError("the registry is away"),
            "bug": KeyError("secret of the inside"),
        }
        raise errors[how]

    @application.get("/write/{where}")
    async def write(where: str) -> None:
        with Path("/dev/full" if where == "full" else f"/nowhere/of/the/inside/{where}").open(
            "wb", buffering=0
        ) as file:
            file.write(b"some bytes")

    return application


async def send(method: str, path: str, **how: Any) -> httpx.Response:
    """Call the app; an error inside does not reach the test."""
    transport = httpx.ASGITransport(app(), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        return await client.request(method, path, **how)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nowhere", 404),
        ("GET", "/take", 405),
        ("GET", "/fail/problem", 409),
        ("GET", "/fail/transient", 503),
        ("GET", "/fail/bug", 500),
        ("GET", "/write/full", 503),
        ("GET", "/write/absent", 500),
        ("POST", "/take", 422),
    ],
)
async def test_every_error_is_a_problem_document(method: str, path: str, status: int) -> None:
    answer = await send(method, path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert {"type", "title", "status", "detail"} <= answer.json().keys()
    assert answer.json()["status"] == status
    assert "inside" not in answer.text


async def test_members_of_a_problem_stand_beside_the_detail() -> None:
    assert (await send("GET", "/fail/problem")).json()["sequence"] == 3


async def test_what_is_away_may_be_asked_again() -> None:
    assert (await send("GET", "/fail/transient")).headers["retry-after"] == "1"


async def test_a_full_disk_is_named_and_may_be_tried_later() -> None:
    answer = await send("GET", "/write/full")
    assert "No space left on device" in answer.json()["detail"]
    assert answer.headers["retry-after"] == "30"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"{", "body"),
        (b"\xff", ""),
        (b"[]", "body"),
        (b'{"use_case": 7}', "use_case"),
        (b'{"use_case": "123456789"}', "use_case"),
        (b'{"use_case": "a", "rate": NaN}', "rate"),
        (b'{"use_case": "a", "rate": 1e999}', "rate"),
        (b'{"use_case": "a", "colour": 1}', "colour"),
        (b'{"use_case": "a", "\\ud800": 1}', ""),
        (b'{"use_case": "\\ud800"}', ""),
        (b"[" * 100_000, ""),
    ],
)
async def test_a_malformed_body_is_refused_and_the_field_is_named(body: bytes, field: str) -> None:
    answer = await send("POST", "/take", content=body, headers={"content-type": "application/json"})
    assert 400 <= answer.status_code < 500, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert not field or answer.json()["errors"][0]["field"] == field, answer.json()
