"""A regression, and loans whose labels only some decisions show, through the same loop as the flights."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from headrace.acts import Acts, Stage
from headrace.backtest import Asked
from headrace.backtest import run as backtest
from headrace.collect import collect
from headrace.demo_report import Findings, build_report
from headrace.play import Player
from headrace.replay import Replay
from headrace.run_info import RunInfo
from headrace.scenario import Scenario, load_scenario
from headrace.serving_client import ServingClient
from headrace.supervisor import Supervisor
from shared.events import KpiReported

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]
SEED = 7
HALF_THE_TEAM = 20


async def play(scenario: Scenario, running: RunInfo, halved_on: int | None = None) -> Findings:
    """`halved_on`: the day, counted from 0, at whose begin half of the review team is gone."""
    urls = {name: service.url for name, service in running.services.items()}
    options = {"bootstrap_servers": running.kafka}
    stage = Stage(scenario, urls["registry"], SEED, Path(running.home) / "outside-team")
    cut = {} if halved_on is None else {scenario.days[halved_on]: stage.limit_desk(40, HALF_THE_TEAM)}
    async with Replay(options, urls) as replay, ServingClient(urls["serving"], scenario.contract.use_case) as client:
        player = Player(scenario, replay, client, urls["registry"], Acts(cut))
        await player.begin()
        await player.train(SEED)
        await player.live()
        return await collect(scenario, client, options, urls, Path(running.home) / "feedback", SEED)


def played(name: str, days: int, home: Path, halved_on: int | None = None) -> tuple[Findings, dict[str, Any]]:
    whole = load_scenario(name)
    scenario = whole.until(whole.start + timedelta(days=days))
    with Supervisor(home, clock="replay", seed=SEED) as supervisor:
        findings = asyncio.run(play(scenario, supervisor.start(), halved_on))
        first, last = scenario.days[0], scenario.days[-1]
        again = backtest(home, Asked(scenario.contract.use_case, first, last, scenario.end))
    assert again.reproduces
    assert (again.rows, again.redecided_otherwise) == (scenario.size, 0)
    report = build_report(findings)
    assert report["accounting"]["answered"] == scenario.size
    assert report["accounting_closes"]
    assert report["failed_requests"] == report["served_otherwise"] == 0
    assert report["value"]["blocks"] == report["value"]["table"]
    return findings, report


def test_the_team_is_never_flooded_and_labels_of_chosen_loans_are_called_selected(tmp_path: Path) -> None:
    findings, report = played("loans", 7, tmp_path, halved_on=4)
    reviews = {day["block"]: day["reviews"] for day in report["days"]}
    # Monday to Thursday with 40, Friday with 20, then a weekend.
    *full, friday, saturday, sunday = reviews.values()
    assert (max(full), friday) == (40, HALF_THE_TEAM)
    assert max(saturday, sunday) < HALF_THE_TEAM
    assert report["reviews"]["days_over"] == []
    assert report["without_capacity"]["max_per_day"] > 3 * 40
    assert len(report["without_capacity"]["days_over"]) >= 5
    declined = findings.rows.filter(findings.rows["decision"] == "decline")
    assert declined.height == report["labels"]["never_seen"] > 0
    assert declined["label"].null_count() == declined.height
    assert findings.rows["label"].null_count() < findings.rows.height
    told = findings.history.of(KpiReported)
    assert told
    assert all(event.selected for event in told)
    assert report["labels"]["selected"]
    assert report["simulated"]


def test_a_regression_is_decided_counted_and_worth_something(tmp_path: Path) -> None:
    _, report = played("gates", 4, tmp_path)
    assert report["value"]["blocks"] > 0
    assert report["reviews"]["decision"] is None
    assert report["accounting"]["joined"] > 0.9 * report["accounting"]["answered"]
    assert 0 < report["months"][0]["mae"] < 25
    assert not report["labels"]["selected"]
