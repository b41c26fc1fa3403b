"""The registry over HTTP: releases, rollbacks, the ledger; every mistake is explained."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from shared.contract.read import read_contract
from shared.events import Event
from tests.registry.conftest import Registry
from tests.registry.toy import NOW, contract_text

CHEAPER = ("review: {on_time: 0.60, late: 0.60", "review: {on_time: 0.10, late: 0.10")
DIGEST = "d" * 64


async def topics(registry: Registry) -> list[str]:
    return [event.topic for event in await registry.said()]


GOOD = {"package": DIGEST, "reason": "because"}


@pytest.mark.parametrize(
    ("path", "body", "status", "word"),
    [
        ("/trains/releases", {}, 422, "package"),
        ("/trains/releases", {"package": DIGEST}, 422, "reason"),
        ("/trains/releases", GOOD | {"package": "../../etc/passwd"}, 422, "package"),
        ("/trains/releases", GOOD | {"package": "D" * 64}, 422, "package"),
        ("/trains/releases", GOOD | {"package": 7}, 422, "package"),
        ("/trains/releases", GOOD | {"package": DIGEST + "\n"}, 422, "package"),
        ("/trains/releases", GOOD | {"reason": ""}, 422, "reason"),
        ("/trains/releases", GOOD | {"reason": "x" * 2001}, 422, "reason"),
        ("/trains/releases", GOOD | {"reason": "nul\0"}, 422, "reason"),
        ("/trains/releases", GOOD | {"force": 1}, 422, "force"),
        ("/trains/releases", GOOD | {"released_by": "a\r\nb"}, 422, "released_by"),
        ("/trains/releases", GOOD, 404, "store"),
        ("/planes/releases", GOOD, 404, "planes"),
        ("/Planes/releases", GOOD, 422, "use_case"),
        ("/..%2Ftrains/releases", GOOD, 404, ""),
        ("/trains%00/releases", GOOD, 422, "use_case"),
        ("/trains/rollbacks", {}, 422, "reason"),
        ("/trains/rollbacks", {"reason": "r", "to": "b"}, 422, "to"),
        ("/trains/rollbacks", {"reason": "r", "too": DIGEST}, 422, "too"),
        ("/trains/rollbacks", {"reason": "r"}, 409, "nothing is released"),
        ("/trains/rollbacks", [], 422, "body"),
        ("/planes/rollbacks", {"reason": "r"}, 404, "planes"),
    ],
)
async def test_a_malformed_request_is_refused_and_names_the_field(
    registry: Registry, path: str, body: Any, status: int, word: str
) -> None:
    await registry.apply()
    answer = await registry.http.post(f"/v1/use_cases{path}", json=body)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert word in answer.json()["detail"]
    assert await topics(registry) == ["use_case_applied"]


@pytest.mark.parametrize("raw", [b"", b"{", b"\xff", b'{"package": NaN}', b"[" * 100_000])
async def test_a_body_that_is_no_json_is_refused(registry: Registry, raw: bytes) -> None:
    await registry.apply()
    headers = {"content-type": "application/json"}
    answer = await registry.http.post("/v1/use_cases/trains/releases", content=raw, headers=headers)
    assert answer.status_code in (400, 422)
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_beyond_the_limit_is_cut_off(registry: Registry, chunked: bool) -> None:
    await registry.apply()
    body = b'{"reason": "' + b"x" * 600_000 + b'"}'

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 100_000):
            yield body[start : start + 100_000]

    headers = {"content-type": "application/json"}
    content = pieces() if chunked else body
    answer = await registry.http.post("/v1/use_cases/trains/rollbacks", content=content, headers=headers)
    assert (answer.status_code, answer.json()["limit"]) == (413, 512 * 1024)


async def test_a_release_by_hand_is_immediate_and_keeps_its_reason(registry: Registry) -> None:
    first, second = await registry.released(0, 1)
    released = (await registry.said("model_released"))[-1]
    assert (released.sequence, released.cause, released.reason) == (2, "person", "better")
    assert (released.released_by, released.rollback_target) == ("local", first.digest)
    assert released.causation_id is None
    assert (await registry.http.get("/v1/use_cases/trains")).json()["release"]["package_digest"] == second.digest


async def test_a_package_that_fails_a_gate_cannot_be_released_by_hand(registry: Registry) -> None:
    await registry.released(0)
    bad = registry.package(seed=5, upside_down=True)
    body = {"package": bad.digest, "reason": "try"}
    answer = await registry.http.post("/v1/use_cases/trains/releases", json=body)
    problem = answer.json()
    assert (answer.status_code, problem["gate"]) == (422, "beats_best_constant")
    assert problem["measured"] < problem["limit"]
    assert len(await registry.said("model_released")) == 1


async def test_a_package_of_another_use_case_cannot_be_released(registry: Registry) -> None:
    await registry.released(0)
    other = registry.package(seed=5, use_case="planes")
    body = {"package": other.digest, "reason": "try"}
    answer = await registry.http.post("/v1/use_cases/trains/releases", json=body)
    assert (answer.status_code, answer.json()["check"]) == (422, "contract")


async def test_what_is_served_already_is_not_released_again(registry: Registry) -> None:
    [toy] = await registry.released(0)
    body = {"package": toy.digest, "reason": "again"}
    assert (await registry.http.post("/v1/use_cases/trains/releases", json=body)).status_code == 409


async def test_a_rollback_by_hand_takes_a_higher_sequence_under_the_current_contract(registry: Registry) -> None:
    first, _second = await registry.released(0, 1)
    digest = (await registry.apply(CHEAPER)).json()["digest"]
    body = {"reason": "late labels", "released_by": "ann"}
    answer = await registry.http.post("/v1/use_cases/trains/rollbacks", json=body)
    assert answer.status_code == 201
    back = answer.json()
    assert (back["sequence"], back["cause"], back["released_by"]) == (4, "rollback", "ann")
    assert (back["package_digest"], back["contract_digest"]) == (first.digest, digest)
    assert back["policy"]["rules"][2]["costs"] == [10, 10]
    again = await registry.http.post("/v1/use_cases/trains/rollbacks", json={"reason": "more"})
    assert (again.status_code, again.json()["rule"]) == (409, "no_target")


async def test_a_rollback_may_name_its_target(registry: Registry) -> None:
    first, second, _third = await registry.released(0, 1, 2)
    named = {"reason": "r", "to": first.digest}
    assert (await registry.http.post("/v1/use_cases/trains/rollbacks", json=named)).json()[
        "package_digest"
    ] == first.digest
    current = await registry.http.post("/v1/use_cases/trains/rollbacks", json=named)
    assert (current.status_code, current.json()["rule"]) == (409, "same_package")
    forward = {"reason": "r", "to": second.digest}
    assert (await registry.http.post("/v1/use_cases/trains/rollbacks", json=forward)).status_code == 201


async def test_acts_at_the_same_moment_take_one_sequence_each(registry: Registry) -> None:
    first, second, _third = await registry.released(0, 1, 2)
    bodies = [{"package": toy.digest, "reason": "at once"} for toy in (first, second)]
    answers = await asyncio.gather(
        *(registry.http.post("/v1/use_cases/trains/releases", json=body) for body in bodies), registry.apply(CHEAPER)
    )
    assert all(answer.is_success or answer.status_code in (409, 503) for answer in answers)
    sequences = [event.sequence for event in await registry.said("model_released")]
    assert sequences == list(range(1, len(sequences) + 1))


async def test_what_was_in_production_then_is_a_query(registry: Registry) -> None:
    first, second = await registry.released(0, 1)
    await registry.advance(NOW + timedelta(days=2))
    await registry.http.post("/v1/use_cases/trains/rollbacks", json={"reason": "no good"})
    at = {day: (NOW + timedelta(days=day)).isoformat() for day in (-1, 1, 3)}
    found = {
        day: (await registry.http.get("/v1/use_cases/trains/ledger", params={"at": when})).json()
        for day, when in at.items()
    }
    assert found[-1]["in_production"] is None
    assert found[1]["in_production"]["package_digest"] == second.digest
    assert found[3]["in_production"]["package_digest"] == first.digest
    assert "no good" in found[3]["in_production"]["why"]
    kinds = [entry["kind"] for entry in found[3]["entries"]]
    assert kinds == ["use_case_applied", "model_released", "candidate_opened", "model_released", "model_released"]
    assert [entry["sequence"] for entry in found[3]["entries"]] == [None, 1, None, 2, 3]


@pytest.mark.parametrize("at", ["2013-03-01", "2013-03-01T00:00:00", "now", "1e999"])
async def test_a_time_without_offset_is_refused(registry: Registry, at: str) -> None:
    await registry.apply()
    answer = await registry.http.get("/v1/use_cases/trains/ledger", params={"at": at})
    assert answer.status_code == 422
    assert "at" in answer.json()["detail"]


async def test_lists_and_status_show_what_stands(registry: Registry) -> None:
    [toy] = await registry.released(0)
    [listed] = (await registry.http.get("/v1/use_cases")).json()
    assert (listed["use_case"], listed["release"]["sequence"], listed["signed_by"]) == ("trains", 1, "desk")
    [release] = (await registry.http.get("/v1/use_cases/trains/releases")).json()
    assert release["package_digest"] == toy.digest
    shown = (await registry.http.get("/v1/use_cases/trains")).json()
    assert read_contract(contract_text()).to_json() == shown["contract"]
    status = (await registry.http.get("/v1/status")).json()
    assert status["pending"] == {"outbox": 2}
    assert status["detail"]["use_cases"]["trains"]["release"]["sequence"] == 1
    assert (await registry.http.get("/v1/use_cases/planes")).status_code == 404
    assert "registry_releases_total" in (await registry.http.get("/metrics")).text


async def test_the_schema_of_a_contract_is_there_for_editors(registry: Registry) -> None:
    schema = (await registry.http.get("/v1/schema/contract")).json()
    assert "use_case" in schema["properties"]


async def test_everything_is_described_in_openapi(registry: Registry) -> None:
    paths = (await registry.http.get("/openapi.json")).json()["paths"]
    assert {"/v1/use_cases", "/v1/use_cases/{use_case}/rollbacks", "/v1/packages/{digest}"} <= set(paths)
    assert "application/yaml" in paths["/v1/use_cases"]["post"]["requestBody"]["content"]


async def test_state_ledger_and_event_commit_together_or_not_at_all(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    await registry.released(0)

    def too_late(*_events: Event) -> None:
        raise RuntimeError("the disk is full")

    monkeypatch.setattr("services.registry.record.add_to_outbox", too_late)
    with pytest.raises(RuntimeError):
        await registry.apply(CHEAPER)
    monkeypatch.undo()
    assert (await registry.http.get("/v1/use_cases/trains")).json()["revision"] == 1
    assert (await registry.http.get("/v1/ledger/check")).json()["whole"]
    assert len(await registry.said("model_released")) == 1
