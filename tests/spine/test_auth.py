"""Without keys: loopback only. With keys: whoever calls needs a key with the role."""

import hashlib
import json
from pathlib import Path
from typing import Annotated

import httpx
import pytest
from fastapi import Depends, FastAPI

from shared.spine import http
from shared.spine.auth import ApiKeys, Caller, check_binding
from shared.spine.clock import wall_now
from shared.spine.http import require
from shared.spine.key_file import new_key, write_keys

KEYS = {"ada": ("ada's key", ["viewer", "operator"]), "bob": ("bob's key", ["viewer"])}


@pytest.fixture
def keys(tmp_path: Path) -> ApiKeys:
    """Two people with keys."""
    lines = [
        json.dumps({"name": name, "roles": roles, "sha256": hashlib.sha256(key.encode()).hexdigest()})
        for name, (key, roles) in KEYS.items()
    ]
    (tmp_path / "keys").write_text("\n".join(lines) + "\n\n", encoding="utf-8")
    return ApiKeys(tmp_path / "keys")


async def act(keys: ApiKeys, authorization: str | None) -> httpx.Response:
    """Call something that only operators may do."""
    app = FastAPI()
    app.state.api_keys = keys
    http.install(app)

    @app.post("/act")
    async def route(caller: Annotated[Caller, Depends(require("operator"))]) -> str:
        return caller.name

    headers = {"authorization": authorization} if authorization else {}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        return await client.post("/act", headers=headers)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "example.com"])
def test_without_keys_a_service_listens_on_loopback_only(host: str) -> None:
    with pytest.raises(SystemExit, match=r"refusing to listen .* HEADRACE_API_KEYS_FILE"):
        check_binding(host, ApiKeys(None))


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.0.0.2"])
def test_loopback_needs_no_keys(host: str) -> None:
    check_binding(host, ApiKeys(None))


def test_production_wants_keys_on_loopback_too(keys: ApiKeys) -> None:
    with pytest.raises(SystemExit, match="HEADRACE_API_KEYS_FILE"):
        check_binding("127.0.0.1", ApiKeys(None), "production")
    check_binding("127.0.0.1", keys, "production")


def test_with_keys_a_service_may_listen_anywhere(keys: ApiKeys) -> None:
    check_binding("0.0.0.0", keys)


async def test_without_keys_whoever_is_on_this_machine_may_do_everything() -> None:
    assert (await act(ApiKeys(None), None)).json() == "local"


async def test_a_key_with_the_role_is_let_in(keys: ApiKeys) -> None:
    assert (await act(keys, "Bearer ada's key")).json() == "ada"
    assert (await act(keys, "bearer ada's key")).json() == "ada"


async def test_a_key_without_the_role_is_forbidden_and_told_which(keys: ApiKeys) -> None:
    answer = await act(keys, "Bearer bob's key")
    assert (answer.status_code, answer.json()["role"]) == (403, "operator")


@pytest.mark.parametrize("shown", [None, "Bearer wrong", "Bearer", "Basic ada's key", "ada's key", "Bearer "])
async def test_no_key_or_a_wrong_one_is_refused_without_a_hint(keys: ApiKeys, shown: str | None) -> None:
    answer = await act(keys, shown)
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert "ada" not in answer.text


async def test_two_keys_of_one_name_are_good_at_once_until_one_expires(tmp_path: Path) -> None:
    now = wall_now()
    (old, old_entry), (new, new_entry) = new_key("ada", ["operator"], now), new_key("ada", ["operator"], now)
    file = tmp_path / "keys"
    write_keys(file, [old_entry, new_entry])
    assert [(await act(ApiKeys(file), f"Bearer {key}")).status_code for key in (old, new)] == [200, 200]
    write_keys(file, [old_entry.model_copy(update={"expires": now}), new_entry])
    answers = [await act(ApiKeys(file), f"Bearer {key}") for key in (old, new)]
    assert [answer.status_code for answer in answers] == [401, 200]
    assert "expired" in answers[0].json()["detail"]


async def test_a_running_service_hears_of_a_key_taken_back_and_an_empty_file_lets_nobody_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.spine.auth.LOOK_SECONDS", 0.0)
    key, entry = new_key("ada", ["operator"], wall_now())
    file = tmp_path / "keys"
    write_keys(file, [entry])
    keys = ApiKeys(file)
    assert (await act(keys, f"Bearer {key}")).status_code == 200
    file.write_text("{torn", encoding="utf-8")
    assert (await act(keys, f"Bearer {key}")).status_code == 200
    write_keys(file, [])
    assert (await act(keys, f"Bearer {key}")).status_code == 401
    assert (await act(keys, None)).status_code == 401
    assert keys.configured
