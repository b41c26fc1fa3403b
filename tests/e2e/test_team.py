"""What other people say goes through the whole loop: a team lowers its capacity at noon, a contact center measures."""

import asyncio
import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from examples.flights_late import source
from examples.outside_service import outside_service
from headrace import outside_team
from headrace.acts import Act, Acts, Stage
from headrace.backtest import Asked
from headrace.backtest import run as backtest
from headrace.cli import app
from headrace.collect import collect
from headrace.demo_report import Findings, build_report
from headrace.play import Player
from headrace.replay import Replay
from headrace.run_info import RunInfo
from headrace.scenario import Scenario, load_scenario
from headrace.serving_client import ServingClient
from headrace.supervisor import Supervisor
from shared.events import CapacityChanged, KpiReported, ModelReleased, PackageEvaluated, RollbackRequested

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]
SEED, DAYS = 7, 5
DESK, SMALLER = 200, 60
# Two broken blocks suffice where the ceiling lies so near the low end of the range.
KPI = "contacts_per_case: {aggregation: mean, unit: contacts, ceiling: 0.10, range: [0, 2], mature_after: 1h}"
USUAL, BROKEN = 0.05, 2.0


def flights_with_contacts() -> Scenario:
    """The flights with a contact center, whose numbers may take a release back."""
    whole = load_scenario("flights", "3")
    text = whole.contract_text.replace("kpis:\n", f"kpis:\n  {KPI}\n")
    text = text.replace("on: [regret]", "on: [regret, contacts_per_case]")
    end = whole.start + timedelta(days=DAYS)
    return Scenario(text, source.load(until=end), whole.start, end)


class Story:
    """Who does what: day 0 at noon the desk shrinks; on day 1 a release is forced, and contacts break their ceiling."""

    def __init__(self, scenario: Scenario, running: RunInfo) -> None:
        self.scenario, self.running = scenario, running
        self.registry = running.services["registry"].url
        self.stage = Stage(scenario, self.registry, SEED, Path(running.home) / "outside-team")

    def at(self, day: int, hour: int) -> datetime:
        return (self.scenario.midnight(self.scenario.days[day]) + timedelta(hours=hour)).astimezone(UTC)

    def acts(self) -> Acts:
        shrink = self.stage.smaller_desk("review", SMALLER, "half of us are at a training")
        moments = {self.at(day, 9): self.measured(day, BROKEN if day else USUAL) for day in range(DAYS)}
        return Acts({self.scenario.days[1]: self.force}, {**moments, self.at(0, 12): shrink})

    async def force(self) -> None:
        package = await outside_team.fit_elsewhere(
            self.scenario.contract, self.stage.use_case_dir, self.scenario.midnight(self.scenario.days[1]), SEED,
            self.stage.workplace,
        )  # fmt: skip
        await outside_team.force_release(self.registry, "flights_late", package, "it looked better in their notebook")

    def measured(self, day: int, value: float) -> Act:
        async def measure() -> None:
            # A process of another team, which imports nothing of ours.
            said = ("flights_late", "measure", "contacts_per_case", str(value), "contacts")
            at = ("--at", self.at(day, 9).isoformat())
            process = await asyncio.create_subprocess_exec(
                sys.executable, str(outside_service.__file__), self.running.kafka, *said, *at,
                stdout=asyncio.subprocess.DEVNULL,
            )  # fmt: skip
            assert await process.wait() == 0

        return measure


async def play(scenario: Scenario, running: RunInfo) -> Findings:
    urls = {name: service.url for name, service in running.services.items()}
    options = {"bootstrap_servers": running.kafka}
    async with Replay(options, urls) as replay, ServingClient(urls["serving"], "flights_late") as client:
        player = Player(scenario, replay, client, urls["registry"], Story(scenario, running).acts())
        await player.begin()
        await player.train(SEED)
        await player.live()
        return await collect(scenario, client, options, urls, Path(running.home) / "feedback", SEED)


def types(home: Path, *arguments: str) -> str:
    done = CliRunner().invoke(app, ["--home", str(home), *arguments], env={"COLUMNS": "300"})
    assert done.exit_code == 0, done.output
    return done.stdout


def test_a_smaller_desk_and_a_kpi_from_another_process_steer_the_loop(tmp_path: Path) -> None:
    scenario = flights_with_contacts()
    with Supervisor(tmp_path, clock="replay", seed=SEED) as supervisor:
        running = supervisor.start()
        findings = asyncio.run(play(scenario, running))
        asked = Asked("flights_late", scenario.days[0], scenario.days[-1], scenario.end)
        again = backtest(tmp_path, asked)
        equal = types(tmp_path, "rebuild", "registry", "--check")
        ledger = types(tmp_path, "ledger", "flights_late")
        measured = types(tmp_path, "measure", "flights_late", "contacts_per_case", "0.2")
        lowered = types(tmp_path, "capacity", "flights_late", "review", "150", "--reason", "a short day")
        status = types(tmp_path, "status")
        refused = CliRunner().invoke(
            app, ["--home", str(tmp_path), "measure", "flights_late", "contacts_per_case", "1", "--unit", "calls"]
        )
    report = build_report(findings)
    the_desk_was_smaller_from_noon_on(findings, Story(scenario, running).at(0, 12))
    contacts_took_the_release_back(findings)
    # Decided again, candidates and backtests included, the same limits bind: nothing differs.
    assert again.reproduces
    assert (again.rows, again.redecided_otherwise) == (scenario.size, 0)
    assert any("a team had lowered a capacity" in note for note in again.notes)
    assert "1 changed capacities from the events: equal." in equal
    assert "the desk takes 60 of 200 review in block 2013-03-01: half of us are at a training; forecast" in ledger
    assert report["rollbacks"][0]["kpi"] == "contacts_per_case"
    assert report["failed_requests"] == report["served_otherwise"] == 0
    assert report["value"]["blocks"] == report["value"]["table"]
    assert "contacts_per_case 0.2 contacts recorded for flights_late at 2013-03-06" in measured
    assert "flights_late: review 150 of 200 in block 2013-03-06, says local: a short day" in lowered
    assert "An average day" in lowered
    assert "review 150 of 200 in block 2013-03-06" in status
    assert "unit: contacts_per_case is measured in 'contacts', not in 'calls'" in refused.output


def the_desk_was_smaller_from_noon_on(findings: Findings, since: datetime) -> None:
    first = findings.rows.filter(pl.col("block") == "2013-03-01", pl.col("decision") == "review")
    before = first.filter(pl.col("event_time") < since).height
    assert first.height == max(before, SMALLER)
    reviews = findings.rows.filter(pl.col("decision") == "review").group_by("block").len().sort("block")
    assert max(reviews["len"][1:]) > first.height
    (event,) = findings.history.of(CapacityChanged)
    assert (event.time, event.limit, event.contract_limit) == (since, SMALLER, DESK)
    assert event.forecast is not None
    told = [one for one in findings.history.of(KpiReported) if one.block == "2013-03-01"]
    assert all(one.capacity_limit == {"review": SMALLER} for one in told)
    assert all(one.capacity_used == {"review": first.height} for one in told)
    assert [(word.at, word.limit, word.reason) for word in told[-1].capacity_changes] == [
        (since, SMALLER, "half of us are at a training")
    ]
    # The package that served on that day, decided again by the trainer, costs what it cost.
    (pinned,) = [
        one for one in findings.history.of(PackageEvaluated) if (one.block, one.role) == ("2013-03-01", "pinned")
    ]
    assert pinned.cost_minor == pinned.served_cost_minor


def contacts_took_the_release_back(findings: Findings) -> None:
    (asked,) = findings.history.of(RollbackRequested)
    assert (asked.kpi, asked.release_sequence, asked.requested_by) == ("contacts_per_case", 2, "monitor")
    assert "2 blocks, 2013-03-02 to 2013-03-03, above its ceiling 0.1" in asked.reason
    released = findings.history.of(ModelReleased)
    assert [one.cause for one in released] == ["first", "person", "rollback"]
    assert released[2].package_digest == released[0].package_digest
    assert "kpi contacts_per_case" in released[2].reason
    broken = [one for one in findings.history.of(KpiReported) if one.block == "2013-03-03" and not one.replaces]
    kpi = broken[0].measured["contacts_per_case"]
    assert (kpi.value, kpi.count, kpi.broken, kpi.unit) == (BROKEN, 1, "ceiling", "contacts")
    assert "contacts_per_case is 2 contacts, above its ceiling 0.1" in broken[0].incidents
    assert json.loads(broken[0].model_dump_json())["measured"]["contacts_per_case"]["aggregation"] == "mean"
