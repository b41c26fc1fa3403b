"""`headrace backtest`: reads what was served, released and reported, and decides it again under other rules."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl

from headrace.backtest_report import Backtest, Rules, backtest
from headrace.errors import CommandError
from headrace.ledger_digest import latest_by_block
from headrace.record_lines import event_in
from headrace.topic_reader import TopicReader, kafka_options
from shared.contract import Contract, Policy, block_bounds
from shared.evaluation.again import in_order_of_serving
from shared.evaluation.models import Model, Models
from shared.events import Event, KpiReported, ModelReleased, UseCaseApplied
from shared.feedback.joined import joined
from shared.package import PackageRefused, PackageStore
from shared.spine.settings import SpineSettings

TOPICS = {event.topic for event in (UseCaseApplied, ModelReleased, KpiReported)}
_DECIDING = [
    *("request_id", "position", "release_sequence", "package_digest", "contract_digest", "scores", "decision"),
    *("flagged", "arm"),
]
SIMPLE = (
    "labels are taken as they came: as if no decision changed what happens afterwards",
    "with other decisions other packages might have been trained and released; here the same ones serve throughout",
)


@dataclass(frozen=True)
class Asked:
    """One backtest: at most one of `contract` and `package`; days are blocks, both included."""

    use_case: str
    first: date
    last: date
    as_of: datetime
    contract: Contract | None = None
    package: str | None = None


@dataclass(frozen=True)
class Past:
    """What the lifecycle topics say about one use case."""

    contracts: dict[str, Contract]
    releases: dict[int, ModelReleased]
    reports: Sequence[KpiReported]


async def read_past(home: Path, use_case: str) -> Past:
    """Every contract and release, and the newest report of each block; raises CommandError."""
    async with TopicReader(kafka_options(home), TOPICS) as reader:
        found = [event_in(record) async for record in reader.history()]
    events = [event for event in found if isinstance(event, Event) and getattr(event, "use_case", "") == use_case]
    return past_of(use_case, events)


def past_of(use_case: str, events: Sequence[Event]) -> Past:
    """Contracts by digest, releases by sequence, the newest report of each block and release."""
    applied = [event for event in events if isinstance(event, UseCaseApplied)]
    if not applied:
        raise CommandError(f"there is no use case {use_case!r}: no contract of it was ever applied")
    return Past(
        {event.contract_digest: Contract.model_validate(event.contract) for event in applied},
        {event.sequence: event for event in events if isinstance(event, ModelReleased)},
        list(latest_by_block(event for event in events if isinstance(event, KpiReported)).values()),
    )


def run(home: Path, asked: Asked) -> Backtest:
    """The backtest; raises CommandError when it cannot be made."""
    past = asyncio.run(read_past(home, asked.use_case))
    settings = SpineSettings(home=home)
    with TemporaryDirectory() as cache:
        models = Models(PackageStore(settings.packages_location), Path(cache))
        try:
            return make(asked, past, settings.feedback_location, models)
        except PackageRefused as refused:
            raise CommandError(f"the package cannot be used: {refused}") from refused


def make(asked: Asked, past: Past, feedback: str, models: Models) -> Backtest:
    """Read the rows of the reported blocks, and decide them; raises CommandError and PackageRefused."""
    notes = list(SIMPLE)
    earned, blocks = _reported(asked, past, notes)
    model = models.get(asked.package) if asked.package else None
    if model:
        blocks = _unseen(model, past, blocks, notes)
    # Inputs are read for a package that must be asked; what was served has its scores in the table.
    columns = None if model else _DECIDING
    rows = in_order_of_serving(joined(feedback, asked.use_case, asked.as_of, blocks, columns=columns))
    if counted := sum(each.volume for each in past.reports if each.block in blocks) - rows.height:
        notes.append(f"the reports count {counted:+,} decisions against the table: was it read while they came in?")
    released = _as_released(past, rows)
    tried = _as_tried(asked, past, rows, released, models, model)
    contract = past.contracts[rows["contract_digest"][-1]]
    what = "the released contract and package"
    if asked.package:
        what = f"package {asked.package[:12]} under the contracts in force"
    if asked.contract:
        what = f"the contract {asked.contract.digest[:12]} with the packages that served"
        if asked.contract.features != contract.features:
            notes.append("features differ between the contracts: inputs stay flagged as they were when served")
    return backtest(asked.contract or contract, rows, released, tried, earned, what, asked.as_of, notes)


def _reported(asked: Asked, past: Past, notes: list[str]) -> tuple[dict[str, int], list[str]]:
    days = (asked.last - asked.first).days + 1
    wanted = [(asked.first + timedelta(days=number)).isoformat() for number in range(days)]
    earned: dict[str, int] = {}
    for report in past.reports:
        if report.block in wanted:
            earned[report.block] = earned.get(report.block, 0) + report.value_minor
    if not earned:
        known = sorted(each.block for each in past.reports)
        said = f"blocks are reported from {known[0]} to {known[-1]}" if known else "no block is reported yet"
        raise CommandError(f"nothing to backtest from {asked.first} to {asked.last}: {said}")
    if missing := [block for block in wanted if block not in earned]:
        notes.append(f"{len(missing)} days without a report are left out, the first is {missing[0]}")
    return earned, sorted(earned)


def _unseen(model: Model, past: Past, blocks: list[str], notes: list[str]) -> list[str]:
    """Only blocks that the package was not fitted on: on the others it would know the answers."""
    until, zone = model.package.manifest.train_until, next(iter(past.contracts.values()))
    fresh = [block for block in blocks if block_bounds(zone, block)[0] >= until]
    if not fresh:
        raise CommandError(f"the package was fitted on all of these days: it has seen what came before {until}")
    if seen := len(blocks) - len(fresh):
        notes.append(f"{seen} blocks before {until.isoformat()} are left out: the package was fitted on them")
    return fresh


def _as_released(past: Past, rows: pl.DataFrame) -> Rules:
    """The policy of each row's release, with the scores that its package gave then."""
    under = rows["release_sequence"].to_list()
    if missing := sorted(set(under) - past.releases.keys()):
        raise CommandError(f"the topic of releases has no release {missing[0]}, which served in these days")
    policies = {sequence: Policy.model_validate(past.releases[sequence].policy) for sequence in sorted(set(under))}
    return Rules(under, policies, np.array(rows["scores"].to_list(), dtype=np.float64))


def _as_tried(
    asked: Asked, past: Past, rows: pl.DataFrame, released: Rules, models: Models, model: Model | None
) -> Rules:
    if model is not None:
        under = rows["contract_digest"].to_list()
        if missing := set(under) - past.contracts.keys():
            raise CommandError(f"the topic of contracts has no contract {min(missing)}, which was in force")
        return Rules(
            under, {each: model.policy(past.contracts[each]) for each in sorted(set(under))}, model.score(rows)
        )
    if asked.contract is None:
        return released
    if asked.contract.use_case != asked.use_case:
        raise CommandError(f"the contract is for {asked.contract.use_case}, not for {asked.use_case}")
    if zones := {each.timezone for each in past.contracts.values()} - {asked.contract.timezone}:
        raise CommandError(f"blocks were days in {min(zones)}, and timezone is {asked.contract.timezone}")
    packages = rows["package_digest"].to_list()
    policies = {each: models.get(each).policy(asked.contract) for each in sorted(set(packages))}
    return Rules(packages, policies, released.scores)
