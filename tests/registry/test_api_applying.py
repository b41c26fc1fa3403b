"""Applying contracts over HTTP: what becomes an event, what is released anew, what is refused."""

import pytest

from shared.events import UseCaseApplied
from tests.registry.conftest import YAML, Registry
from tests.registry.toy import NOW, contract, contract_text

CHEAPER = ("review: {on_time: 0.60, late: 0.60", "review: {on_time: 0.10, late: 0.10")
DIGEST = "d" * 64


async def topics(registry: Registry) -> list[str]:
    return [event.topic for event in await registry.said()]


async def test_an_applied_contract_becomes_an_event_with_the_whole_contract(registry: Registry) -> None:
    answer = await registry.apply()
    assert answer.status_code == 200
    said = answer.json()
    assert (said["use_case"], said["revision"], said["unchanged"]) == ("trains", 1, False)
    assert said["digest"] == contract().digest
    [event] = await registry.said()
    assert isinstance(event, UseCaseApplied)
    assert (event.revision, event.signed_by, event.time) == (1, "desk", NOW)
    assert type(contract()).model_validate(event.contract).digest == event.contract_digest == contract().digest


async def test_the_same_contract_again_changes_nothing(registry: Registry) -> None:
    await registry.apply()
    again = await registry.apply()
    assert (again.status_code, again.json()["unchanged"], again.json()["revision"]) == (200, True, 1)
    assert await topics(registry) == ["use_case_applied"]


async def test_json_is_yaml_too(registry: Registry) -> None:
    body = contract().model_dump_json(exclude_none=True)
    answer = await registry.http.post("/v1/use_cases", content=body, headers={"content-type": "application/json"})
    assert answer.json()["digest"] == contract().digest


async def test_a_changed_cost_releases_the_same_package_without_training(registry: Registry) -> None:
    first, second = await registry.released(0, 1)
    answer = (await registry.apply(CHEAPER)).json()
    assert answer["changed"] == ["decisions.review.late", "decisions.review.on_time"]
    assert (answer["release_sequence"], answer["revision"]) == (3, 2)
    applied, released = (await registry.said())[-2:]
    assert (applied.topic, released.topic) == ("use_case_applied", "model_released")
    assert (released.causation_id, released.correlation_id) == (applied.id, applied.id)
    assert (released.cause, released.package_digest, released.rollback_target) == (
        "objective",
        second.digest,
        first.digest,
    )
    assert released.contract_digest == applied.contract_digest == answer["digest"]
    assert released.policy["rules"][2]["costs"] == [10, 10]
    forecast = answer["forecast"]
    assert forecast["after"]["reviews_per_day"]["review"] > forecast["before"]["reviews_per_day"]["review"]
    assert forecast["after"]["value_per_day_minor"] > forecast["before"]["value_per_day_minor"]
    assert (applied.forecast, applied.applied_by) == (forecast, "local")
    [_first, told] = [
        entry
        for entry in (await registry.http.get("/v1/use_cases/trains/ledger")).json()["entries"]
        if entry["kind"] == "use_case_applied"
    ]
    assert "forecast per day: value " in told["text"]


async def test_a_changed_capacity_is_a_new_policy_with_a_shadow_price(registry: Registry) -> None:
    await registry.released(0)
    await registry.apply(("limit: 40", "limit: 3"))
    released = (await registry.said("model_released"))[-1]
    assert released.policy["rules"][2]["capacity"] == 3
    assert released.policy["rules"][2]["shadow_price"] > 0


async def test_a_dry_run_shows_the_forecast_and_does_nothing(registry: Registry) -> None:
    await registry.released(0)
    before = await topics(registry)
    answer = (await registry.apply(CHEAPER, dry_run=True)).json()
    assert (answer["dry_run"], answer["releases_anew"], answer["release_sequence"]) == (True, True, None)
    assert answer["forecast"]["before"]["decisions_per_day"]
    assert await topics(registry) == before
    assert (await registry.http.get("/v1/use_cases/trains")).json()["revision"] == 1


async def test_changed_inputs_wait_for_the_next_training(registry: Registry) -> None:
    await registry.released(0)
    answer = (await registry.apply(("  speed: {type: number}\n", ""))).json()
    assert answer["release_sequence"] is None
    assert "next release" in answer["note"]
    # A changed cost on top of it cannot be served by the released package either.
    both = (await registry.apply(("  speed: {type: number}\n", ""), CHEAPER)).json()
    assert (both["revision"], both["release_sequence"]) == (3, None)


async def test_a_change_of_training_and_cost_at_once_takes_effect_for_the_cost(registry: Registry) -> None:
    await registry.released(0)
    only = (await registry.apply(("pipeline:build", "pipeline:other"))).json()
    assert (only["release_sequence"], only["note"]) == (None, None)
    both = (await registry.apply(("pipeline:build", "pipeline:third"), CHEAPER)).json()
    assert both["release_sequence"] == 2


async def test_an_older_contract_may_come_back_as_a_new_revision(registry: Registry) -> None:
    await registry.released(0)
    await registry.apply(CHEAPER)
    back = (await registry.apply()).json()
    assert (back["revision"], back["release_sequence"], back["digest"]) == (3, 3, contract().digest)


async def test_a_broken_contract_is_explained_with_all_its_lines(registry: Registry) -> None:
    answer = await registry.apply(("task: binary", "task: binry"), ("currency: EUR", "currency: euro"))
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    problems = {problem["path"]: problem for problem in answer.json()["problems"]}
    assert problems["task"]["line"] == 4
    assert "binary" in problems["task"]["allowed"]
    assert problems["currency"]["line"] == 10
    assert await topics(registry) == []


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        (b"", YAML, 422),
        (b"[]", YAML, 422),
        (b"use_case: [", YAML, 422),
        (b"\xff\xfe", YAML, 422),
        (b"a: \x00", YAML, 422),
        (b"&a [*a, *a]", YAML, 422),
        (b"!!python/object/apply:os.system ['true']", YAML, 422),
        (b"[" * 50_000, YAML, 422),
        (b"{" * 50_000, {"content-type": "application/json"}, 422),
        (b"x" * (512 * 1024 + 1), YAML, 413),
        (contract_text().encode(), {"content-type": "text/html"}, 415),
        (contract_text().encode(), {}, 415),
        (contract_text(("trains", "../trains")).encode(), YAML, 422),
        (contract_text(("late: 5.00", "late: 1e999")).encode(), YAML, 422),
        (contract_text(("late: 5.00", "late: .nan")).encode(), YAML, 422),
        (contract_text(("limit: 40", "limit: -1")).encode(), YAML, 422),
        (contract_text(("limit: 40", "limit: '40'")).encode(), YAML, 422),
        (contract_text(("owner: desk\n", "owner: desk\nowner: other\n")).encode(), YAML, 422),
    ],
)
async def test_a_malformed_contract_is_refused_without_effect(
    registry: Registry, content: bytes, headers: dict[str, str], status: int
) -> None:
    answer = await registry.http.post("/v1/use_cases", content=content, headers=headers)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"]
    assert await topics(registry) == []
