"""What a backtest says of real flights is what the system really earned, and would have earned with a smaller team."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from headrace.backtest import Asked, run
from headrace.backtest_report import Backtest
from headrace.cli import app
from headrace.outside_team import change_capacity
from headrace.play import Player
from headrace.replay import Replay
from headrace.run_info import RunInfo, read_run_info
from headrace.scenario import Scenario, load_scenario
from headrace.serving_client import ServingClient
from headrace.supervisor import Supervisor
from shared.contract import Contract, read_contract

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]
DAYS, SEED = 3, 7
FULL, CUT = 200, 60


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    whole = load_scenario("flights", "3")
    return whole.until(whole.start + timedelta(days=DAYS))


async def play(scenario: Scenario, running: RunInfo, desk: int) -> None:
    """The first model, then a review desk of this size on all days."""
    urls = {name: service.url for name, service in running.services.items()}
    options = {"bootstrap_servers": running.kafka}
    async with Replay(options, urls) as replay, ServingClient(urls["serving"], scenario.contract.use_case) as client:
        player = Player(scenario, replay, client, urls["registry"])
        await player.begin()
        await player.train(SEED)
        if desk != FULL:
            await change_capacity(urls["registry"], scenario.contract_text, FULL, desk)
            await replay.quiet()
        await player.live()


@contextmanager
def lived(home: Path, scenario: Scenario, desk: int) -> Iterator[Path]:
    """A running system with these days behind it."""
    with Supervisor(home, clock="replay", seed=SEED) as supervisor:
        asyncio.run(play(scenario, supervisor.start(), desk))
        yield home


def backtested(home: Path, scenario: Scenario, contract: Contract | None = None) -> Backtest:
    days = scenario.days
    return run(home, Asked(scenario.contract.use_case, days[0], days[-1], scenario.end, contract))


def types(home: Path, *arguments: str) -> str:
    done = CliRunner().invoke(app, ["--home", str(home), *arguments])
    assert done.exit_code == 0, done.output
    return done.stdout


def asked_of_the_monitor(home: Path, scenario: Scenario) -> dict[str, Any]:
    """The value of these days over HTTP."""
    days = {"from": str(scenario.days[0]), "to": str(scenario.days[-1])}
    url = read_run_info(home).services["monitor"].url
    answer = httpx.get(f"{url}/v1/use_cases/flights_late/value", params=days, timeout=60.0)
    found: dict[str, Any] = answer.raise_for_status().json()
    return found


def test_a_backtest_is_exact_where_nothing_changed_and_where_a_smaller_team_was_real(
    scenario: Scenario, tmp_path: Path
) -> None:
    smaller = read_contract(scenario.contract_text.replace(f"limit: {FULL}", f"limit: {CUT}"))
    days = ("--from", str(scenario.days[0]), "--to", str(scenario.days[-1]))
    with lived(tmp_path / "full", scenario, FULL) as home:
        same, tried = backtested(home, scenario), backtested(home, scenario, smaller)
        told = json.loads(types(home, "backtest", "flights_late", *days, "--json"))
        asked = types(home, "query", "select count(*) as n from joined", "--format", "json")
        catalogue = json.loads(types(home, "data", "flights_late", "--json"))
        value = json.loads(types(home, "value", "flights_late", *days, "--json"))
        over_http = asked_of_the_monitor(home, scenario)
    assert same.reproduces
    assert (len(same.blocks), same.rows, same.changed) == (DAYS, scenario.size, 0)
    assert told["total"]["value"] == same.total("earned") == same.total("value")
    assert json.loads(asked) == [{"n": scenario.size}]
    assert catalogue["use_cases"]["flights_late"]["decisions"]["rows"] == scenario.size
    assert catalogue["pinned"][0]["version"] == "the source alone"
    # Table, blocks and report have the same money, and so has the backtest.
    assert value.pop("reconciled") == {
        "reports_minor": same.total("earned"), "table_minor": same.total("earned"), "same": True, "differing": []
    }  # fmt: skip
    assert value == over_http
    assert value["causal"]["causal"] is False
    assert value["forecast"]["forecast_minor"] > 0
    assert tried.changed > 0
    with lived(tmp_path / "cut", scenario, CUT) as home:
        real = backtested(home, scenario)
    assert real.reproduces
    assert max(one.decisions["review"] for one in real.blocks) == CUT
    # The same first package, and nothing is trained in these days: so every decision is the same.
    assert [(one.block, one.value, one.decisions) for one in tried.blocks] == [
        (one.block, one.earned, one.decisions) for one in real.blocks
    ]
