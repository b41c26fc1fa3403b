"""Forcing a release over HTTP: who may, past what, and what stands about it afterwards."""

import hashlib
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.registry.app import make_app
from tests.registry.conftest import Registry, settings_for
from tests.registry.toy import NOW

URL = "/v1/use_cases/trains/releases"


def forcing(digest: str, **changed: Any) -> dict[str, Any]:
    return {"package": digest, "reason": "the desk wants it", "released_by": "ann", "force": True} | changed


async def test_a_forced_release_says_past_which_gate_and_why(registry: Registry) -> None:
    [champion] = await registry.released(0)
    bad = registry.package(seed=5, upside_down=True)
    answer = await registry.http.post(URL, json=forcing(bad.digest))
    assert answer.status_code == 201, answer.text
    event = (await registry.said("model_released"))[-1]
    assert (event.forced, event.cause, event.released_by, event.rollback_target) == (
        True,
        "person",
        "ann",
        champion.digest,
    )
    assert event.reason.startswith("the desk wants it; forced past beats_best_constant (over ")
    ledger = (await registry.http.get("/v1/use_cases/trains/ledger")).json()
    assert ledger["entries"][-1]["text"] == f"release 2 (person, forced) by ann: {event.reason}"
    assert ledger["entries"][-1]["event_id"] == event.id


async def test_what_passes_every_gate_is_forced_all_the_same(registry: Registry) -> None:
    await registry.released(0)
    good = registry.package(seed=1)
    released = (await registry.http.post(URL, json=forcing(good.digest))).json()
    assert released["forced"]
    assert "every one holds" in released["reason"]


async def test_a_release_by_hand_without_force_earns_its_place_at_once(registry: Registry) -> None:
    first, second, _third = await registry.released(0, 1, 2)
    released = await registry.said("model_released")
    assert [event.forced for event in released] == [False, False, False]
    assert [event.rollback_target for event in released] == [None, first.digest, second.digest]


@pytest.mark.parametrize("damage", ["model.skops", "golden.json"])
async def test_integrity_cannot_be_forced(registry: Registry, damage: str) -> None:
    await registry.released(0)
    toy = registry.package(seed=1)
    (registry.folder.parent / "home" / "packages" / toy.digest / damage).write_bytes(b"torn")
    answer = await registry.http.post(URL, json=forcing(toy.digest))
    assert (answer.status_code, answer.json()["check"]) == (422, "digest")
    assert len(await registry.said("model_released")) == 1


async def test_the_fit_to_the_contract_cannot_be_forced(registry: Registry) -> None:
    await registry.released(0)
    other = registry.package(seed=1, use_case="planes")
    answer = await registry.http.post(URL, json=forcing(other.digest))
    assert (answer.status_code, answer.json()["check"]) == (422, "contract")


@pytest.mark.parametrize(
    ("roles", "status"), [(["operator"], 403), (["approver"], 403), (["operator", "approver"], 404)]
)
async def test_only_an_operator_who_is_an_approver_may_force(tmp_path: Path, roles: list[str], status: int) -> None:
    key = {"name": "k", "roles": roles, "sha256": hashlib.sha256(b"key").hexdigest()}
    (tmp_path / "keys.jsonl").write_text(json.dumps(key))
    app = make_app(settings_for(tmp_path / "home", api_keys_file=tmp_path / "keys.jsonl"))
    app.state.registry.clock.set(NOW)
    await app.state.registry.db.create_tables()
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://registry") as http:
        answer = await http.post(URL, json=forcing("d" * 64), headers={"authorization": "Bearer key"})
    await app.state.registry.db.close()
    assert answer.status_code == status
    if status == 403:
        assert answer.json()["role"] == ("approver" if "operator" in roles else "operator")
