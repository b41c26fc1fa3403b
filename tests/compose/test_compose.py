"""The system of docker-compose.yml: the same ledger as embedded whatever is killed, releases without a failed request.

Behind HEADRACE_CONTAINERS=1, since it needs Docker; with the switch nothing here is skipped.
"""

import asyncio
import re
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from headrace.against import Target, check_fresh
from headrace.cli import app
from headrace.collect import collect
from headrace.demo_report import build_report
from headrace.outside_team import change_capacity
from headrace.play import Player
from headrace.replay import Replay
from headrace.scenario import Hour, Scenario
from headrace.serving_client import ServingClient
from headrace.settings import authorization
from headrace.supervisor import Supervisor
from tests.compose.conftest import SEED, needs_docker
from tests.compose.stack import PARTS, SERVICES, Stack

pytestmark = needs_docker
# At which hour of the replay (18 or more have flights in a day) each container dies.
KILLED = {
    3: "serving-1",
    7: "monitor",
    11: "front",
    15: "registry",
    18: "console",
    20: "postgres",
    25: "serving-2",
    28: "prometheus",
    30: "kafka",
}


class DisturbedPlayer(Player):
    """A player in whose hours containers are killed and started again, while its requests go on."""

    stack: Stack

    async def train(self, seed: int) -> None:
        disturbance = asyncio.create_task(asyncio.to_thread(self.stack.kill_and_start, "trainer"))
        await super().train(seed)
        await disturbance
        self.killed, self._number = ["trainer"], count(1)

    async def decide(self, hour: Hour) -> list[dict[str, Any]]:
        part = KILLED.get(next(self._number))
        disturbance = asyncio.create_task(asyncio.to_thread(self.stack.kill_and_start, part)) if part else None
        known = await super().decide(hour)
        if part and disturbance:
            await disturbance
            self.killed.append(part)
        return known


async def play(target: Target, scenario: Scenario, stack: Stack | None, feedback: Path | None) -> dict[str, Any]:
    """Play on an embedded system, or on a stack while its containers die."""
    options = {"bootstrap_servers": target.kafka}
    use_case, registry = scenario.contract.use_case, target.urls["registry"]
    async with Replay(options, target.urls) as replay, ServingClient(target.urls["serving"], use_case) as client:
        player = Player(scenario, replay, client, registry)
        if stack:
            player = disturbed = DisturbedPlayer(scenario, replay, client, registry)
            disturbed.stack = stack
        await player.begin()
        await player.train(SEED)
        await player.live()
        if stack:
            assert sorted(disturbed.killed) == sorted([*KILLED.values(), "trainer"])
        return build_report(await collect(scenario, client, options, target.urls, feedback, SEED))


def test_killing_any_container_leaves_the_money_and_the_ledger_of_an_embedded_system(
    stack: Stack, scenario: Scenario, tmp_path: Path
) -> None:
    asyncio.run(check_fresh(stack.target, scenario.start))
    disturbed = asyncio.run(play(stack.target, scenario, stack, None))
    with Supervisor(tmp_path, clock="replay", seed=SEED) as supervisor:
        info = supervisor.start()
        target = Target({name: service.url for name, service in info.services.items()}, info.kafka)
        embedded = asyncio.run(play(target, scenario, None, tmp_path / "feedback"))
    assert disturbed["failed_requests"] == 0
    assert disturbed["accounting"] == embedded["accounting"]
    assert disturbed["value"] == embedded["value"]
    assert disturbed["ledger_digest"] == embedded["ledger_digest"]


async def test_replicas_are_released_under_load_without_a_failed_request(
    stack: Stack, scenario: Scenario, whole: Scenario
) -> None:
    """After the replay: a new policy for both replicas, then each of them replaced, while a client asks on."""
    hour = next(hour for hour in whole.hours(scenario.end.date()) if len(hour.records) >= 10)

    async def release() -> None:
        await change_capacity(stack.target.urls["registry"], scenario.contract_text, 200, 150)
        for replica in ("serving-1", "serving-2"):
            recreate = ("up", "--detach", "--no-deps", "--force-recreate", "--wait", replica)
            await asyncio.to_thread(stack.compose, *recreate)

    async with ServingClient(stack.target.urls["serving"], scenario.contract.use_case) as client:
        releasing = asyncio.create_task(release())
        for number in count():
            assert len(await client.predict(f"under-release-{number}", hour.records[:10])) == 10
            if releasing.done():
                break
        await releasing
    assert client.failed == []
    # Nobody asks twice on the way: each request was answered at the first try.
    assert client.tries_again == 0
    assert client.answered > 100


@pytest.mark.parametrize("part", PARTS)
def test_no_container_runs_as_root(stack: Stack, part: str) -> None:
    assert stack.compose("exec", "-T", part, "id", "-u").strip() != "0"


@pytest.mark.parametrize("part", [*SERVICES, "front"])
def test_our_containers_cannot_write_beside_their_volumes(stack: Stack, part: str) -> None:
    assert stack.inspect(part, ".HostConfig.ReadonlyRootfs") == "true"
    assert stack.inspect(part, ".HostConfig.CapDrop") == "[ALL]"


def test_no_compiler_is_left_in_the_image(stack: Stack) -> None:
    look = "for tool in cc gcc g++ clang ld as make javac; do command -v $tool; done; true"
    assert stack.compose("exec", "-T", "registry", "sh", "-c", look) == ""


def test_prometheus_sees_every_replica_and_knows_the_alert_rules(stack: Stack) -> None:
    query = "wget -q -O - 'http://127.0.0.1:9090/api/v1/query?query=sum(up)'"
    assert f'"{len(SERVICES)}"]' in stack.compose("exec", "-T", "prometheus", "sh", "-c", query)
    rules = "wget -q -O - http://127.0.0.1:9090/api/v1/rules"
    assert "HeadraceSpoolLosses" in stack.compose("exec", "-T", "prometheus", "sh", "-c", rules)


def test_pages_and_commands_find_their_way_through_the_front(
    stack: Stack, scenario: Scenario, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with httpx.Client(headers=authorization(), timeout=60.0) as http:
        portfolio = http.get(f"{stack.front}/console/").raise_for_status().text
        (link,) = re.findall(r'href="(/use_cases/[^"]+)"', portfolio)
        assert "saved" in http.get(f"{stack.front}{link}").raise_for_status().text
    monkeypatch.setenv("HEADRACE_FRONT", stack.front)
    for command in (["status"], ["report", scenario.contract.use_case, "--output", str(tmp_path / "report.html")]):
        done = CliRunner().invoke(app, command)
        assert done.exit_code == 0, done.output
