"""Plays the same days twice, once undisturbed and once under chaos, and says which promises were broken.

.venv/bin/python -m tests.chaos.run [--long | --money] [--seed N] [--report FILE]; exit code 0 when none was.
"""

import argparse
import asyncio
import importlib.util
import json
import logging
import resource
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from rich.console import Console

from headrace.play import Player
from headrace.replay import SOURCE, Replay
from headrace.scenario import Scenario
from shared.events import Event, KpiReported, TrainingRequested, derived_id
from shared.spine.clock import monotonic
from shared.spine.errors import TransientError
from tests.chaos.acts import Chaos
from tests.chaos.checks import Violation, violations
from tests.chaos.clients import Acknowledged, Load, RepeatingClient
from tests.chaos.disorder import Disorder
from tests.chaos.evidence import gather, orphaned_files, report_of
from tests.chaos.plan import LONG, MIDNIGHT, MONEY, QUICK, Form, Plan, draw_plan
from tests.chaos.report import build, page, shortages
from tests.chaos.system import SESSION_SECONDS, USE_CASES, System
from tests.chaos.waiting import pause

console = Console(soft_wrap=True)
_START = datetime(2026, 3, 2, tzinfo=UTC)
_TRAIN_EVERY_DAYS = 2
_LOAD_BEFORE_SECONDS = 2.0


class PatientReplay(Replay):
    """Says a thing until Kafka takes it; the same event twice is one."""

    async def say(self, event: Event) -> None:
        """Publish an event."""
        while True:
            try:
                return await super().say(event)
            except TransientError:
                await pause(0.2)


class DisturbedPlayer(Player):
    """A player in whose hours the chaos acts."""

    client: RepeatingClient
    chaos: Chaos
    disorder: Disorder
    number = 0

    async def days(self, days: list[date], seed: int) -> None:
        """Live through the days; every second one begins with a training."""
        for self.number, day in enumerate(days):
            if self.number % _TRAIN_EVERY_DAYS == 1:
                await self.replay.say(_training(self.scenario, day, seed))
                await self.replay.quiet()
            await self.tell_waiting(day)
            for hour in self.scenario.hours(day):
                self.chaos.at(self.number, _clock_hour(hour.name))
                if known := self.disorder.of(self.number, await self.decide(hour)):
                    await self.client.outcomes(hour.name, known)
            self.chaos.at(self.number, MIDNIGHT)
            await self.replay.advance(self.scenario.midnight(day + timedelta(days=1)))
            await self.chaos.settle()
            await self.replay.quiet()
            console.print(f"  {day} played: {self.client.answered} answers, {self.client.tries_again} tries again")

    async def tell_waiting(self, day: date, *, everything: bool = False) -> None:
        """Tell the labels that were held back until this day, and corrections of those that were wrong."""
        if waiting := self.disorder.due(self.number, self.scenario.midnight(day), everything=everything):
            await self.client.outcomes(f"waiting until {day}", waiting)


@dataclass
class Outcome:
    """What one run has come to."""

    broken: list[Violation]
    done: Counter[str]
    facts: dict[str, Any]


def _replaces(event: Event) -> bool:
    return isinstance(event, KpiReported) and event.replaces is not None


def _clock_hour(name: str) -> int:
    return int(name.rpartition("T")[2])


def _training(scenario: Scenario, day: date, seed: int) -> TrainingRequested:
    return TrainingRequested.begin(
        source=SOURCE,
        time=scenario.midnight(day),
        id=derived_id(SOURCE, scenario.contract.use_case, f"training of {day}", str(seed)),
        use_case=scenario.contract.use_case,
        reason="the chaos run trains again",
        requested_by="chaos",
        kind_of_cause="person",
    )


def parcels(days: int, control: float) -> Scenario:
    """Simulated parcels of so many days; of a control share as large is the audit share."""
    folder = USE_CASES / "parcel_late"
    spec = importlib.util.spec_from_file_location("parcel_late_source", folder / "source.py")
    assert spec is not None
    assert spec.loader is not None
    source = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(source)
    end = _START + timedelta(days=days)
    text = (folder / "contract.yaml").read_text(encoding="utf-8")
    if control:
        text += f"control_share: {control}\naudit_share: {control}\n"
    return Scenario(text, source.load(until=end), _START, end)


@asynccontextmanager
async def _playing(
    system: System, scenario: Scenario, form: Form, plan: Plan, seed: int
) -> AsyncIterator[tuple[DisturbedPlayer, Chaos, Acknowledged]]:
    use_case, ledger = scenario.contract.use_case, Acknowledged()
    async with (
        PatientReplay(dict(system.options), system.urls) as replay,
        RepeatingClient(system.urls["serving"], use_case, ledger, form.twice) as client,
    ):
        player = DisturbedPlayer(scenario, replay, client, system.urls["registry"])
        player.chaos = Chaos(system, plan, seed, use_case, ledger, form.twice)
        player.disorder = Disorder(form.late, form.corrected, scenario.contract.classes)
        await player.begin()
        await player.train(seed)
        yield player, player.chaos, ledger


async def undisturbed(system: System, scenario: Scenario, form: Form, seed: int) -> str:
    """The ledger digest of the days without the last, which belongs to the load."""
    calm = scenario.until(scenario.midnight(scenario.days[-1]))
    async with _playing(system, calm, form, {}, seed) as (player, _chaos, _ledger):
        await player.days(calm.days, seed)
        return str((await report_of(calm, player.client, system, seed))["ledger_digest"])


async def disturbed(system: System, scenario: Scenario, form: Form, seed: int, expected: str) -> Outcome:
    """The same days under chaos; on the last one a load, and Kafka away."""
    days, last = scenario.days[:-1], scenario.days[-1]
    async with _playing(system, scenario, form, draw_plan(form, seed), seed) as (player, chaos, ledger):
        await player.days(days, seed)
        calm = scenario.until(scenario.midnight(last))
        digest = str((await report_of(calm, player.client, system, seed))["ledger_digest"])
        await player.tell_waiting(last, everything=True)
        records = [record for hour in scenario.hours(last) for record in hour.records]
        load = Load(system.urls["serving"], scenario.contract.use_case, ledger, records, form.rate)
        await _load(load, chaos, form)
        await player.replay.advance(scenario.end)
        await chaos.repeat()
        await player.replay.advance(scenario.end + timedelta(seconds=1))
        player.client.answered += load.answered
        report = await report_of(scenario, player.client, system, seed)
        found = await gather(scenario, system, chaos, ledger, report, seed)
    done = chaos.done + Counter({f"point {name}": count for name, count in chaos.fired().items()})
    done += player.disorder.counts + Counter({"asked again": player.client.asked_again})
    done["duplicates"] = chaos.repeater.written
    # By now every client has written down what it failed at.
    found = replace(found, failed=ledger.failed, undisturbed_digest=expected, disturbed_digest=digest)
    found = replace(found, shortages=shortages(form, done))
    facts = {
        "ledger_digest_undisturbed": expected,
        "ledger_digest_disturbed": digest,
        "predictions": len(ledger.decisions),
        "predictions_under_load": load.answered,
        "outcomes": len(ledger.labels),
        "tries_again": ledger.tries_again,
        "malformed_records": len(chaos.spoilt),
        "files_left_by_killed_commits": orphaned_files(system.home),
        "session_timeout_seconds": SESSION_SECONDS,
        "full_disk": system.disk.kind,
        "accounting": report["accounting"],
        "value_minor": {name: sum(said.values()) for name, said in found.money.items()},
        "corrections": len({event.id for _key, event in found.topics["kpi_reported"] if _replaces(event)}),
    }
    return Outcome(violations(found), done, facts)


async def _load(load: Load, chaos: Chaos, form: Form) -> None:
    """Predictions go on while Kafka is away and serving is killed."""
    async with load.running():
        await pause(_LOAD_BEFORE_SECONDS)
        away = asyncio.create_task(chaos.stop_kafka(form.outage_seconds))
        await pause(form.outage_seconds / 2)
        await chaos.kill("serving")
        await away
        await pause(_LOAD_BEFORE_SECONDS)


def run(form: Form, seed: int) -> dict[str, Any]:
    """Both runs; returns the report."""
    scenario, begun = parcels(form.days + 1, form.control), monotonic()
    with tempfile.TemporaryDirectory(prefix="headrace-chaos-") as place:
        with System(Path(place) / "undisturbed", seed) as system:
            console.print("Undisturbed:")
            expected = asyncio.run(undisturbed(system, scenario, form, seed))
        with System(Path(place) / "disturbed", seed) as system:
            console.print("Under chaos:")
            outcome = asyncio.run(disturbed(system, scenario, form, seed, expected))
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    spent = {
        "seconds": round(monotonic() - begun),
        # Of this process and of what ended below it in order: what was killed took its own count along.
        "cpu_seconds": round(sum(usage.ru_utime + usage.ru_stime for usage in used)),
    }
    facts = {**spent, **outcome.facts}
    return build(form, seed, outcome.done, outcome.broken, facts)


def main() -> int:
    """Return 0 when no promise was broken and everything was disturbed as often as the form says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    chosen = parser.add_mutually_exclusive_group()
    chosen.add_argument("--long", action="store_true", help="the long form; without it the short one")
    chosen.add_argument("--money", action="store_true", help="20 kills, and labels late, corrected and told twice")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--report", type=Path, help="write the report here as JSON, and beside it as Markdown")
    given = parser.parse_args()
    # What is disturbed is loud about it; the report says what matters.
    logging.disable(logging.CRITICAL)
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    report = run(LONG if given.long else MONEY if given.money else QUICK, given.seed)
    if given.report:
        given.report.parent.mkdir(parents=True, exist_ok=True)
        given.report.write_text(json.dumps(report, indent=2, default=str) + "\n", encoding="utf-8")
        given.report.with_suffix(".md").write_text(page(report), encoding="utf-8")
    console.print(page(report), markup=False)
    return 1 if report["violations"] else 0


if __name__ == "__main__":
    raise SystemExit(main())
