"""A week of real flights through the whole system: counted from every side, and the same whatever is killed."""

import asyncio
import os
import random
import signal
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from headrace.collect import collect
from headrace.demo_report import build_report
from headrace.play import Player
from headrace.replay import Replay
from headrace.run_info import RunInfo
from headrace.scenario import Hour, Scenario, load_scenario
from headrace.serving_client import ServingClient
from headrace.supervisor import Supervisor
from tests import containers
from tests.containers import database_variables

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]
DAYS = 5
SEED = 7


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    whole = load_scenario("flights", "3")
    return whole.until(whole.start + timedelta(days=DAYS))


class Saboteur:
    """Kills each part of a running system once, at seeded moments of the replay."""

    def __init__(self, supervisor: Supervisor, seed: int, hours: int) -> None:
        self._supervisor = supervisor
        self._random = random.Random(seed)
        parts = ["registry", "trainer", "monitor", "console", "serving", "kafka"]
        self._plan = dict(zip(self._random.sample(range(2, hours), len(parts)), parts, strict=True))
        self._hour = 0
        self.killed: list[str] = []

    def tick(self) -> None:
        """Called at the begin of each event hour."""
        self._hour += 1
        if part := self._plan.get(self._hour):
            # Somewhere inside the hour's requests, or inside the midnight that follows.
            asyncio.get_running_loop().call_later(self._random.uniform(0, 0.4), self._kill, part)

    def kill_soon(self, part: str, within_seconds: float) -> None:
        """Kill a part at some moment from now on."""
        asyncio.get_running_loop().call_later(self._random.uniform(0.5, within_seconds), self._kill, part)

    def _kill(self, part: str) -> None:
        info = self._supervisor.info
        pid = info.kafka_pid if part == "kafka" else info.services[part].pid
        if pid is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                self.killed.append(part)


class SabotagedPlayer(Player):
    """A player in whose hours things die."""

    saboteur: Saboteur

    async def train(self, seed: int) -> None:
        self.saboteur.kill_soon("trainer", within_seconds=5)
        await super().train(seed)

    async def decide(self, hour: Hour) -> list[dict[str, Any]]:
        self.saboteur.tick()
        return await super().decide(hour)


async def play(scenario: Scenario, running: RunInfo, saboteur: Saboteur | None = None) -> dict[str, Any]:
    urls = {name: service.url for name, service in running.services.items()}
    options = {"bootstrap_servers": running.kafka}
    async with Replay(options, urls) as replay, ServingClient(urls["serving"], scenario.contract.use_case) as client:
        player: Player
        if saboteur:
            player = SabotagedPlayer(scenario, replay, client, urls["registry"])
            player.saboteur = saboteur
        else:
            player = Player(scenario, replay, client, urls["registry"])
        await player.begin()
        await player.train(SEED)
        await player.live()
        return build_report(await collect(scenario, client, options, urls, Path(running.home) / "feedback", SEED))


@contextmanager
def system(home: Path, kafka: str | None = None) -> Iterator[Supervisor]:
    """The whole system on its databases; without an address it starts a Kafka, which it can kill."""
    with pytest.MonkeyPatch.context() as patch:
        for name, url in database_variables(home).items():
            patch.setenv(name, url)
        with Supervisor(home, clock="replay", seed=SEED, kafka=kafka) as supervisor:
            yield supervisor


@pytest.fixture(scope="module")
def undisturbed(scenario: Scenario, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    home = tmp_path_factory.mktemp("undisturbed")
    # A broker of its own in a container too: a replay begins on empty topics.
    with containers.kafka_container() if containers.WANTED else nullcontext() as kafka, system(home, kafka) as running:
        yield asyncio.run(play(scenario, running.start()))


def test_every_answered_prediction_is_accounted_for(undisturbed: dict[str, Any], scenario: Scenario) -> None:
    accounting = undisturbed["accounting"]
    assert accounting["answered"] == scenario.size
    assert accounting["answered"] == sum(count for name, count in accounting.items() if name != "answered")
    assert accounting["joined"] > 0.9 * scenario.size
    assert accounting["dead"] == accounting["dropped"] == 0
    assert undisturbed["failed_requests"] == 0


def test_the_money_of_the_blocks_is_the_money_of_the_tables(undisturbed: dict[str, Any]) -> None:
    assert undisturbed["value"]["blocks"] == undisturbed["value"]["table"] > 0


def test_the_review_desk_is_never_flooded_and_rests_on_quiet_days(undisturbed: dict[str, Any]) -> None:
    desk = undisturbed["reviews"]
    assert desk["min_per_day"] < desk["capacity"]
    assert desk["max_per_day"] <= desk["capacity"]


def test_killing_each_part_once_changes_nothing(
    undisturbed: dict[str, Any], scenario: Scenario, tmp_path: Path
) -> None:
    with system(tmp_path) as supervisor:
        running = supervisor.start()
        saboteur = Saboteur(supervisor, seed=11, hours=DAYS * 20)
        disturbed = asyncio.run(play(scenario, running, saboteur))
    assert sorted(saboteur.killed) == ["console", "kafka", "monitor", "registry", "serving", "trainer", "trainer"]
    assert disturbed["failed_requests"] == 0
    assert disturbed["accounting"] == undisturbed["accounting"]
    assert disturbed["value"] == undisturbed["value"]
    assert disturbed["ledger_digest"] == undisturbed["ledger_digest"]
