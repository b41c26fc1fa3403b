"""A team lowers its capacity over HTTP: what it may say, what follows at once, and what stands about it afterwards."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.registry.app import make_app
from shared.spine.key_file import new_key, write_keys
from tests.registry.conftest import Registry, settings_for
from tests.registry.toy import NOW

URL = "/v1/use_cases/trains/capacity"
TODAY = NOW.date().isoformat()


def less(limit: int = 5, **changed: Any) -> dict[str, Any]:
    return {"decision": "review", "limit": limit, "reason": "two of us are ill", "changed_by": "desk"} | changed


async def test_a_lower_capacity_is_an_event_a_line_of_the_ledger_and_a_forecast(registry: Registry) -> None:
    await registry.released(0)
    answer = await registry.http.post(URL, json=less())
    assert answer.status_code == 201, answer.text
    said = answer.json()
    assert (said["sequence"], said["block"], said["limit"], said["contract_limit"]) == (1, TODAY, 5, 40)
    (event,) = await registry.said("capacity_changed")
    assert (event.sequence, event.block, event.decision, event.limit, event.changed_by) == (
        1, TODAY, "review", 5, "desk"
    )  # fmt: skip
    before, after = said["forecast"]["before"], said["forecast"]["after"]
    assert before["reviews_per_day"]["review"] > 5 >= after["reviews_per_day"]["review"]
    assert after["value_per_day_minor"] < before["value_per_day_minor"]
    assert event.forecast == said["forecast"]
    entry = (await registry.http.get("/v1/use_cases/trains/ledger")).json()["entries"][-1]
    assert entry["kind"] == "capacity_changed"
    assert entry["text"].startswith(
        f"desk takes 5 of 40 review in block {TODAY}: two of us are ill; forecast per day: value "
    )


async def test_it_may_be_raised_again_up_to_the_contract_and_the_newest_counts(registry: Registry) -> None:
    await registry.released(0)
    for limit in (0, 40):
        assert (await registry.http.post(URL, json=less(limit))).status_code == 201
    assert [(event.sequence, event.limit) for event in await registry.said("capacity_changed")] == [(1, 0), (2, 40)]
    last = (await registry.said("capacity_changed"))[-1]
    assert last.forecast["before"]["reviews_per_day"]["review"] == 0
    use_case = (await registry.http.get("/v1/use_cases/trains")).json()
    assert [word["limit"] for word in use_case["capacity"]] == [0, 40]
    assert [word["limit"] for word in (await registry.http.get(URL)).json()] == [0, 40]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"limit": 41}, "limit: 41 is above the contract's 40: only its approver may raise that"),
        ({"decision": "act"}, "decision: 'act' has no capacity; decisions that have one: review"),
        ({"block": "2013-02-28"}, "block: block 2013-02-28 has ended; the current one is 2013-03-01"),
        ({"block": "2013-04-02"}, "more than 31 days ahead; the last one is 2013-04-01"),
        ({"block": "2013-04-31"}, "block: '2013-04-31' is no day such as 2013-03-01"),
        ({"block": "noon"}, "block: String should match pattern"),
        ({"limit": -1}, "limit: Input should be greater than or equal to 0"),
        ({"limit": 1.5}, "limit: Input should be a valid integer"),
        ({"reason": ""}, "reason: String should have at least 1 character"),
        ({"until": "never"}, "until: Extra inputs are not permitted"),
    ],
)
async def test_what_a_team_may_not_say_is_refused_by_field(
    registry: Registry, changed: dict[str, Any], said: str
) -> None:
    await registry.released(0)
    answer = await registry.http.post(URL, json=less(**changed))
    assert answer.status_code == 422
    assert said in answer.json()["detail"]
    assert await registry.said("capacity_changed") == []


async def test_blocks_that_have_ended_are_history(registry: Registry) -> None:
    await registry.released(0)
    await registry.http.post(URL, json=less())
    await registry.advance(NOW + timedelta(days=1, hours=1))
    assert (await registry.http.get("/v1/use_cases/trains")).json()["capacity"] == []
    assert [word["block"] for word in (await registry.http.get(URL)).json()] == [TODAY]


async def test_it_holds_before_anything_is_released_and_for_no_unknown_use_case(registry: Registry) -> None:
    assert (await registry.http.post(URL, json=less())).status_code == 404
    await registry.apply()
    assert (await registry.http.post(URL, json=less())).json()["forecast"] is None


async def test_only_a_reviewer_may_speak_for_the_team(tmp_path: Path) -> None:
    keys = {role: new_key(role, [role], NOW) for role in ("viewer", "operator", "approver", "publisher", "reviewer")}
    write_keys(tmp_path / "keys", [entry for _, entry in keys.values()])
    app = make_app(settings_for(tmp_path / "home", api_keys_file=tmp_path / "keys"))
    await app.state.registry.db.create_tables()
    app.state.registry.clock.set(NOW)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://registry") as http:
        answers = {
            role: await http.post(URL, json=less(), headers={"authorization": f"Bearer {key}"})
            for role, (key, _) in keys.items()
        }
    assert {role: answer.status_code for role, answer in answers.items()} == {
        "viewer": 403, "operator": 403, "approver": 403, "publisher": 403, "reviewer": 404
    }  # fmt: skip
    assert "needs the role reviewer" in answers["operator"].json()["detail"]
    await app.state.registry.db.close()
