"""Collects, after healing, what clients, topics, databases, tables and workers say: nothing is judged here."""

import sqlite3
from collections import Counter, defaultdict
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import polars as pl

from headrace import rebuild
from headrace.backtest import past_of
from headrace.collect import collect, read_topic
from headrace.dead_letters import fold
from headrace.demo_report import build_report
from headrace.record_lines import event_in
from headrace.registry_client import RegistryClient
from headrace.scenario import Scenario
from headrace.serving_client import ServingClient
from headrace.value import make, money_of
from shared.events import CATALOGUE, Event
from shared.events.topics import DEAD_SUFFIX
from shared.feedback.joined import joined
from shared.feedback.table import FeedbackTable
from shared.package import PackageRefused
from shared.package.verify import verify_files
from shared.spine.settings import SpineSettings
from tests.chaos.acts import Chaos
from tests.chaos.checks import Evidence, Place
from tests.chaos.clients import Acknowledged
from tests.chaos.system import System

_SERVICES_WITH_DATABASE = ("registry", "trainer", "monitor", "console")


async def report_of(scenario: Scenario, client: ServingClient, system: System, seed: int) -> dict[str, Any]:
    """The demo's own report on the days of a scenario."""
    return build_report(await collect(scenario, client, system.options, system.urls, system.home / "feedback", seed))


async def gather(
    scenario: Scenario, system: System, chaos: Chaos, ledger: Acknowledged, report: dict[str, Any], seed: int
) -> Evidence:
    """Everything of the whole run."""
    use_case = scenario.contract.use_case
    rows = joined(system.home / "feedback", use_case, scenario.end)
    topics = await _topics(system)
    async with httpx.AsyncClient(timeout=60.0) as http:
        chain = (await http.get(f"{system.urls['registry']}/v1/ledger/check")).json()
        serving = (await http.get(f"{system.urls['serving']}/v1/status")).json()
    with RegistryClient(system.urls["registry"]) as registry:
        entries = registry.ledger(use_case)["entries"]
        releases = [release["sequence"] for release in registry.releases(use_case)]
        _, otherwise = await rebuild.check(system.home, registry, use_case)
    return Evidence(
        answered=ledger.decisions,
        labels=ledger.labels,
        packages=ledger.packages,
        rows=list(rows.select("prediction_id", "block", "decision", "label").iter_rows()),
        accounting=report["accounting"],
        value=report["value"],
        topics=topics,
        money=_money(scenario, system, [event for events in topics.values() for _key, event in events], rows),
        kept_packages=_kept(system.home, ledger.packages),
        accepted_torn=chaos.wrongly_accepted,
        blocks=_blocks(system.home),
        outboxes={name: _count(system.home, name, "outbox") for name in _SERVICES_WITH_DATABASE},
        open_runs=_count(system.home, "trainer", "trainer_runs", "state IN ('queued', 'running')"),
        ledger_ids=[entry["event_id"] for entry in entries],
        ledger_breaks=[] if chain["whole"] else [str(chain["reason"])],
        rebuilt_otherwise=otherwise,
        releases=releases,
        served={f"worker {w['slot']}": w["active"].get(use_case, 0) for w in serving["detail"]["workers"]},
        spoilt=frozenset(chaos.spoilt),
        dead=await _dead(system),
    )


async def _topics(system: System) -> dict[str, list[tuple[str, Event]]]:
    found: dict[str, list[tuple[str, Event]]] = defaultdict(list)
    for topic in CATALOGUE:
        for record in await read_topic(system.options, topic):
            if isinstance(event := event_in(record), Event):
                found[topic].append(((record.key or b"").decode("utf-8", "replace"), event))
    return found


async def _dead(system: System) -> list[Place]:
    """The places of the originals of all dead letters."""
    records = [record for topic in CATALOGUE for record in await read_topic(system.options, topic + DEAD_SUFFIX)]
    refusals = [letter.refusal for letter in fold(records)]
    return [(each.topic, each.partition, each.offset) for each in refusals if each is not None]


def _kept(home: Path, digests: list[str]) -> frozenset[str]:
    """Those of these packages that are whole in the store and known to the registry."""
    with _database(home, "registry") as database:
        known = {row[0] for row in database.execute("SELECT digest FROM registry_packages")}
    whole = set()
    for digest in known & set(digests):
        try:
            verify_files(home / "packages" / digest, digest)
            whole.add(digest)
        except (PackageRefused, OSError):
            continue
    return frozenset(whole)


def _blocks(home: Path) -> dict[tuple[str, int], tuple[int, int]]:
    question = (
        "SELECT block, release_sequence, revision, json_extract(report, '$.volume') FROM monitor_blocks "
        "WHERE report IS NOT NULL"
    )
    with _database(home, "monitor") as database:
        return {
            (block, sequence): (revision, volume) for block, sequence, revision, volume in database.execute(question)
        }


def _money(scenario: Scenario, system: System, events: list[Event], rows: pl.DataFrame) -> dict[str, dict[str, int]]:
    """Value by block: the tables' rows priced one by one, the monitor's database, and what `headrace value` reports."""
    use_case, days = scenario.contract.use_case, scenario.days
    past = past_of(use_case, events)
    told = make(past, use_case, days[0], days[-1], scenario.end, SpineSettings(home=system.home).feedback_location)
    question = (
        "SELECT block, sum(json_extract(report, '$.value_minor')) FROM monitor_blocks WHERE report IS NOT NULL "
        "GROUP BY block"
    )
    report: Counter[str] = Counter()
    for line in told.period.by_block:
        report[line["block"]] += line["value_minor"]
    with _database(system.home, "monitor") as database:
        blocks = dict(database.execute(question))
    return {"table": dict(money_of(rows, past)), "blocks": blocks, "report": dict(report)}


def _count(home: Path, service: str, table: str, condition: str = "TRUE") -> int:
    with _database(home, service) as database:
        (count,) = database.execute(f"SELECT count(*) FROM {table} WHERE {condition}").fetchone()
        return int(count)


def _database(home: Path, service: str) -> "closing[sqlite3.Connection]":
    path = home / service / f"{service}.db"
    return closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True))


def orphaned_files(home: Path) -> int:
    """Files of the two tables that no version names: what a kill in the middle of a commit leaves behind."""
    orphans = 0
    for name in ("decisions", "outcomes"):
        table = FeedbackTable(home / "feedback", name).open()
        if table is not None:
            folder = home / "feedback" / name
            held = {Path(path).name for path in table.file_uris()}
            orphans += sum(path.name not in held for path in folder.rglob("*.parquet"))
    return orphans
