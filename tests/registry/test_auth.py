"""With API keys configured, every route that changes something wants a key with the right role."""

import hashlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI

from services.registry.app import make_app
from tests.registry.conftest import YAML, settings_for
from tests.registry.toy import NOW, contract_text

KEYS = {"viewer": "v-key", "operator": "o-key", "approver": "a-key", "publisher": "p-key"}
NEEDED = {
    ("post", "/v1/use_cases"): "approver",
    ("post", "/v1/use_cases/{use_case}/releases"): "operator",
    ("post", "/v1/use_cases/{use_case}/rollbacks"): "operator",
    ("put", "/v1/packages/{digest}"): "publisher",
}
OPEN = {"/healthz", "/readyz", "/metrics", "/v1/status"}


def bearer(role: str) -> dict[str, str]:
    return {"authorization": f"Bearer {KEYS[role]}"}


@pytest.fixture
def guarded(tmp_path: Path) -> FastAPI:
    lines = [
        json.dumps({"name": f"{role}-key", "roles": [role], "sha256": hashlib.sha256(key.encode()).hexdigest()})
        for role, key in KEYS.items()
    ]
    (tmp_path / "keys.jsonl").write_text("\n".join(lines))
    app = make_app(settings_for(tmp_path / "home", api_keys_file=tmp_path / "keys.jsonl"))
    app.state.registry.clock.set(NOW)
    return app


@pytest_asyncio.fixture
async def http(guarded: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    await guarded.state.registry.db.create_tables()
    transport = httpx.ASGITransport(app=guarded)
    async with httpx.AsyncClient(transport=transport, base_url="http://registry") as client:
        yield client
    await guarded.state.registry.db.close()


def routes(app: FastAPI) -> list[tuple[str, str]]:
    paths: dict[str, dict[str, Any]] = app.openapi()["paths"]
    return [(method, path) for path, methods in paths.items() for method in methods]


async def test_every_changing_route_refuses_strangers_and_wrong_roles(
    guarded: FastAPI, http: httpx.AsyncClient
) -> None:
    changing = [(method, path) for method, path in routes(guarded) if method != "get"]
    assert set(changing) == set(NEEDED)
    for method, path in changing:
        url = path.format(use_case="trains", digest="d" * 64)
        answers = [
            await http.request(method, url),
            await http.request(method, url, headers={"authorization": "Bearer x"}),
        ]
        assert [answer.status_code for answer in answers] == [401, 401], path
        for role in set(KEYS) - {NEEDED[method, path]}:
            answer = await http.request(method, url, headers=bearer(role))
            assert answer.status_code == 403, (path, role)
            assert answer.json()["role"] == NEEDED[method, path]
        allowed = await http.request(method, url, headers=bearer(NEEDED[method, path]))
        assert allowed.status_code not in (401, 403)


async def test_reading_wants_any_key(guarded: FastAPI, http: httpx.AsyncClient) -> None:
    for method, path in routes(guarded):
        if method == "get" and path not in OPEN:
            url = path.format(use_case="trains", digest="d" * 64)
            assert (await http.get(url)).status_code == 401, path
            assert (await http.get(url, headers=bearer("viewer"))).status_code not in (401, 403), path


async def test_the_ledger_names_the_key_and_not_what_the_caller_claims(http: httpx.AsyncClient) -> None:
    headers = bearer("approver") | YAML
    assert (await http.post("/v1/use_cases", content=contract_text(), headers=headers)).status_code == 200
    shown = (await http.get("/v1/use_cases/trains", headers=bearer("viewer"))).json()
    assert shown["applied_by"] == "approver-key"
