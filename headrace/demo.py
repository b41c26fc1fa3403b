"""The demo: starts everything, plays months of real data through it, and shows what came of it."""

import asyncio
import json
import resource
import shutil
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from headrace import pictures
from headrace.acts import Stage, acts_of
from headrace.against import Target, check_fresh, target_of
from headrace.collect import collect
from headrace.demo_report import build_report
from headrace.errors import CommandError
from headrace.month_lines import month_lines, selected, title
from headrace.owned_directory import OwnedDirectory
from headrace.page import write_page
from headrace.play import Player
from headrace.play import Progress as Day
from headrace.replay import Replay
from headrace.run_info import SUPERVISOR_LOCK, RunInfo
from headrace.scenario import EXAMPLES, Scenario, load_scenario
from headrace.serving_client import ServingClient
from headrace.supervisor import Supervisor
from shared.spine.clock import monotonic
from shared.spine.settings import SpineSettings

console = Console()


def run(name: str, months: str | None, seed: int, report: Path | None, keep: bool, home: Path) -> int:
    """Play a demo on an embedded system of its own under `<home>/demo`; returns the exit code."""
    scenario = load_scenario(name, months)
    place = (home / "demo").absolute()
    if (holder := OwnedDirectory(place, SUPERVISOR_LOCK).holder()) is not None:
        raise CommandError(f"a demo runs under {place} already (process {holder}); wait for its end, or give --home")
    shutil.rmtree(place, ignore_errors=True)
    begun, spent = monotonic(), _cpu_seconds()
    supervisor = Supervisor(place, clock="replay", seed=seed, use_cases=EXAMPLES)
    try:
        with _bar() as bar:
            task = bar.add_task("Starting", total=None)
            running = supervisor.start(lambda text, share: bar.update(task, description=text, completed=share))
        outcome = asyncio.run(play(scenario, running, seed))
        if keep:
            # What still runs has not told its CPU time yet: the report is written without it.
            _finish(outcome, place, report)
            _say_where(running)
            supervisor.wait()
    finally:
        supervisor.stop()
    if not keep:
        outcome |= {"total_seconds": monotonic() - begun, "cpu_seconds": _cpu_seconds() - spent}
        _finish(outcome, place, report)
    return 0 if _holds(outcome) else 1


def run_against(name: str, months: str | None, seed: int, report: Path | None, front: str, home: Path) -> int:
    """Play a demo on a system that runs already, reached at one address; returns the exit code."""
    scenario, target = load_scenario(name, months), target_of(front)
    place = (home / "demo").absolute()
    asyncio.run(check_fresh(target, scenario.start))
    outcome = asyncio.run(play_on(target, scenario, place, seed, None))
    _finish(outcome, place, report)
    return 0 if _holds(outcome) else 1


async def play(scenario: Scenario, running: RunInfo, seed: int) -> dict[str, Any]:
    """Play a scenario on a system of this machine; returns the report."""
    target = Target({name: service.url for name, service in running.services.items()}, running.kafka)
    return await play_on(target, scenario, Path(running.home), seed, Path(running.home) / "feedback")


async def play_on(target: Target, scenario: Scenario, place: Path, seed: int, feedback: Path | None) -> dict[str, Any]:
    """Play a scenario on a running system; returns the report. `feedback`: its tables, None when out of reach."""
    urls, options = target.urls, SpineSettings(kafka=target.kafka).kafka_options()
    begun = monotonic()
    async with Replay(options, urls) as replay, ServingClient(urls["serving"], scenario.contract.use_case) as client:
        acts = acts_of(Stage(scenario, urls["registry"], seed, place / "outside-team"))
        player = Player(scenario, replay, client, urls["registry"], acts)
        with _bar() as bar:
            task = bar.add_task("Applying the contract", total=len(scenario.days))
            await player.begin()
            bar.update(task, description="Training the first model on the history")
            await player.train(seed)

            async def show(day: Day) -> None:
                mix = ", ".join(f"{count:,} {name}" for name, count in sorted(day.decisions.items()))
                bar.update(
                    task, completed=day.number, description=f"{day.day:%d %b}: {day.predictions:,} decisions ({mix})"
                )

            await player.live(show)
        seconds = monotonic() - begun
        found = await collect(scenario, client, options, urls, feedback, seed)
    return build_report(found) | {"replay_seconds": seconds}


def _holds(report: dict[str, Any]) -> bool:
    value, desk = report["value"], report["reviews"]
    return bool(
        report["accounting_closes"]
        and not report["failed_requests"]
        and value["blocks"] == value["table"]
        and not desk["days_over"]
        and not report["served_otherwise"]
    )


def _finish(report: dict[str, Any], place: Path, file: Path | None) -> None:
    files = pictures.draw(report, place / "pictures")
    page = write_page(report, files, place / "report.html")
    text = json.dumps(report, indent=2, default=str) + "\n"
    (place / "report.json").write_text(text, encoding="utf-8")
    if file:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    console.print(month_table(report))
    parts = report["accounting"]
    sum_text = " + ".join(f"{count:,} {name}" for name, count in parts.items() if name != "answered")
    sign = "=" if report["accounting_closes"] else "≠"
    console.print(f"Answered {parts['answered']:,} {sign} {sum_text}; {report['failed_requests']} failed requests")
    _say_value(report)
    _say_desk(report)
    console.print(f"{report['served_otherwise']} decisions by another version than the ledger names for their time")
    _say_loop(report)
    console.print(f"Ledger digest {report['ledger_digest']}")
    spent = f"Replay {report['replay_seconds']:.0f} s"
    if "cpu_seconds" in report:
        spent += f", all in all {report['total_seconds']:.0f} s"
        spent += f", {report['cpu_seconds']:.0f} CPU seconds over all processes"
    console.print(spent)
    console.print(f"Page: {page}", soft_wrap=True)


def _say_value(report: dict[str, Any]) -> None:
    value, unit, mark = report["value"], 10 ** report["minor_digits"], selected(report)
    console.print(
        f"Saved against deciding without a model{mark}: [bold green]{value['table'] / unit:,.2f} "
        f"{report['currency']}[/] (blocks {value['blocks'] / unit:,.2f}, tables {value['table'] / unit:,.2f})"
    )
    console.print(
        f"Cost with the model{mark}: {value['cost_minor'] / unit:,.2f}; "
        f"without{mark}: {value['cost_without_model_minor'] / unit:,.2f}"
    )
    if mark:
        seen = " or ".join(report["labels"]["seen_after"])
        never = report["labels"]["never_seen"]
        console.print(f"Selected: a label is seen only after {seen}; {never:,} cases can never show one")


def _say_desk(report: dict[str, Any]) -> None:
    desk, flood = report["reviews"], report["without_capacity"]
    if flood is None:
        return
    console.print(
        f"Review desk: {desk['min_per_day']} to {desk['max_per_day']} a day, capacity {desk['capacity']}, "
        f"{len(desk['days_over'])} days over the capacity in force"
    )
    cost = flood["cost_minor"] / 10 ** report["minor_digits"]
    console.print(
        f"Without the contract's capacity: {flood['min_per_day']} to {flood['max_per_day']} a day, "
        f"{len(flood['days_over'])} days over; the cost on paper{selected(report)}: {cost:,.2f}"
    )


def _say_loop(report: dict[str, Any]) -> None:
    """What changed in production, why, and what it was worth."""
    for entry in report["timeline"]:
        console.print(f"[dim]{entry['time'][:16]}[/] [cyan]{entry['topic']:18}[/] {escape(entry['text'][:160])}")
    unit, ratio = 10 ** report["minor_digits"], report["managed_over_frozen"]
    console.print(
        f"{report['retrainings']} retrainings ({report['drift_retrainings']} for drift), "
        f"{report['promoted']} promoted, {report['not_promoted']} not; {len(report['rollbacks'])} rollbacks"
    )
    for one in report["trainings"]:
        gain = f"{one['gain_minor'] / unit:,.2f} on {one['days']} days"
        served = one["became"].startswith("release")
        said = f"earned {gain} more than what it replaced" if served else f"would have saved {gain}"
        console.print(f"  trained {one['at'][:10]}, package {one['package'][:8]}: {one['became']}, {said}")
    if ratio is not None:
        console.print(f"Managed costs {ratio:.3f} of frozen per case, days of the forced release aside")
    if report["forced"]["days"]:
        loss = report["forced"]["loss"] / unit
        console.print(f"The forced release served on {report['forced']['days']} days and lost {loss:,.2f}")


def month_table(report: dict[str, Any]) -> Table:
    """The result by month."""
    heads, rows = month_lines(report)
    # 80 columns hold every number; it is the headings that wrap.
    table = Table(title=title(report), box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for place, head in enumerate(heads):
        longest = max((len(cells[place]) for cells in rows), default=0)
        table.add_column(head, justify="right" if place else "left", min_width=longest)
    for cells in rows:
        table.add_row(*cells)
    return table


def _bar() -> Progress:
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    return Progress(*columns, console=console)


def _say_where(running: RunInfo) -> None:
    console.print(f"Everything keeps running (Ctrl-C ends it). Kafka: {running.kafka}")
    for name, service in running.services.items():
        console.print(f"  {name:9} {service.url}")
    console.print(f"Look around: HEADRACE_HOME={running.home} .venv/bin/headrace status")


def _cpu_seconds() -> float:
    """CPU of this process and of all that ended below it."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)
