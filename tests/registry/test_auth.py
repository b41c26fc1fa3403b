"""With API keys configured, what stands in the ledger is the name of the key."""

import hashlib
import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI

from services.registry.app import make_app
from tests.registry.conftest import YAML, settings_for
from tests.registry.toy import NOW, contract_text

KEYS = {"viewer": "v-key", "operator": "o-key", "approver": "a-key", "publisher": "p-key"}


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


async def test_the_ledger_names_the_key_and_not_what_the_caller_claims(http: httpx.AsyncClient) -> None:
    headers = bearer("approver") | YAML
    assert (await http.post("/v1/use_cases", content=contract_text(), headers=headers)).status_code == 200
    shown = (await http.get("/v1/use_cases/trains", headers=bearer("viewer"))).json()
    assert shown["applied_by"] == "approver-key"
