"""What a backtest says of real flights is what the system really earned, and would have earned with a smaller team."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from headrace.backtest import Asked, run
from headrace.backtest_report import Backtest
from headrace.cli import app
from headrace.play import Player
from headrace.replay import Replay
from headrace.run_info import RunInfo
from headrace.scenario import Scenario, load_scenario
from headrace.serving_client import ServingClient
from headrace.supervisor import Supervisor
from shared.contract import Contract

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]
DAYS, SEED = 4, 7
FULL, CUT = "limit: 200", "limit: 60"


def days_of_march(limit: str) -> Scenario:
    """The first days, with a review desk of this size from the start."""
    whole = load_scenario("flights", "3")
    text = whole.contract_text.replace(FULL, limit)
    assert limit in text
    return Scenario(text, whole._frame, whole.start, whole.start + timedelta(days=DAYS))


async def play(scenario: Scenario, running: RunInfo) -> None:
    urls = {name: service.url for name, service in running.services.items()}
    options = {"bootstrap_servers": running.kafka}
    async with Replay(options, urls) as replay, ServingClient(urls["serving"], scenario.contract.use_case) as client:
        player = Player(scenario, replay, client, urls["registry"])
        await player.begin()
        await player.train(SEED)
        await player.live()


@contextmanager
def lived(home: Path, scenario: Scenario) -> Iterator[Path]:
    """A running system with these days behind it."""
    with Supervisor(home, clock="replay", seed=SEED) as supervisor:
        asyncio.run(play(scenario, supervisor.start()))
        yield home


def backtested(home: Path, scenario: Scenario, contract: Contract | None = None) -> Backtest:
    days = scenario.days
    return run(home, Asked(scenario.contract.use_case, days[0], days[-1], scenario.end, contract))


def types(home: Path, *arguments: str) -> str:
    done = CliRunner().invoke(app, ["--home", str(home), *arguments])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_a_backtest_is_exact_where_nothing_changed_and_where_a_smaller_team_was_real(tmp_path: Path) -> None:
    full, cut = days_of_march(FULL), days_of_march(CUT)
    with lived(tmp_path / "full", full) as home:
        same, tried = backtested(home, full), backtested(home, full, cut.contract)
        told = types(
            home, "backtest", "flights_late", "--from", str(full.days[0]), "--to", str(full.days[-1]), "--json"
        )
        asked = types(home, "query", "select count(*) as n from joined", "--format", "json")
        catalogue = json.loads(types(home, "data", "flights_late", "--json"))
    assert same.reproduces
    assert (len(same.blocks), same.rows, same.changed) == (DAYS, full.size, 0)
    assert json.loads(told)["total"]["value"] == same.total("earned") == same.total("value")
    assert json.loads(asked) == [{"n": full.size}]
    assert catalogue["use_cases"]["flights_late"]["decisions"]["rows"] == full.size
    assert catalogue["pinned"][0]["version"] == "the source alone"
    assert tried.changed > 0
    with lived(tmp_path / "cut", cut) as home:
        real = backtested(home, cut)
    assert real.reproduces
    assert max(one.decisions["review"] for one in real.blocks) == 60
    # The first package knows the same history and nothing is trained in these days: so every decision is the same.
    assert [(one.block, one.value, one.decisions) for one in tried.blocks] == [
        (one.block, one.earned, one.decisions) for one in real.blocks
    ]
