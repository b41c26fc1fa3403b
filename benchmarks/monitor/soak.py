"""The monitor under a steady stream: `python -m benchmarks.monitor.soak --minutes 20 --rate 2000`.

Predictions and outcomes come at a rate, each outcome some seconds after its prediction. Meanwhile the tables are
tidied on the monitor's clock, and somebody else asks them the same question about the newest minute. What is sampled:
memory and CPU time of the monitor's process, records that are not in the tables yet, files, and how long the question
takes. At the end every event must be in the tables once.
"""

import argparse
import asyncio
import datetime as dt
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import polars as pl

from benchmarks.monitor.events import CONTRACT, applied, stream
from benchmarks.monitor.filling import fill_at, prepare
from benchmarks.monitor.member import POLL_SECONDS, Member, has_written_all
from benchmarks.monitor.stream import TABLES, broker
from shared.feedback.table import Days, FeedbackTable
from shared.spine.clock import monotonic, wall_now

_SAMPLE_SECONDS, _ASKED = 10.0, dt.timedelta(minutes=1)
# Libraries are loaded and pools grow in the beginning: that is no slope.
_WARM_SHARE = 0.25
_SETTINGS = {"HEADRACE_MONITOR_TIDY_SECONDS": "120"}


@dataclass(frozen=True)
class Sample:
    """What was seen at one moment, `minute` minutes after the start."""

    minute: float
    resident_megabytes: float
    cpu_seconds: float
    table_lag: int
    files: Mapping[str, int]
    query_ms: float
    query_rows: int


@dataclass(frozen=True)
class Soaked:
    """The whole run."""

    minutes: float
    rate: float
    events: int
    rows: Mapping[str, int]
    missing: int
    memory_slope_mb_per_minute: float
    query_slope_ms_per_minute: float
    query_ms: tuple[float, float]
    files_at_most: Mapping[str, int]
    files_at_the_end: Mapping[str, int]
    compactions: Mapping[str, int]
    events_per_cpu_second: float
    samples: Sequence[Sample]


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Median of the slopes between all pairs of points (Theil and Sen): single spikes do not move it.

    >>> slope([(0, 1), (1, 3), (2, 5), (3, 700)])
    2.0
    """
    pairs = [(b[1] - a[1]) / (b[0] - a[0]) for i, a in enumerate(points) for b in points[i + 1 :] if b[0] != a[0]]
    return float(median(pairs)) if pairs else 0.0


async def run(minutes: float, rate: float, settings: Mapping[str, str] = _SETTINGS) -> Soaked:
    """Stream for so long, sample, wait until everything is written, count. Raises NotReachedError."""
    with broker() as (home, kafka):
        await prepare(kafka, applied(wall_now()))
        member, samples = Member(home, kafka, settings=settings), list[Sample]()
        member.process.start()
        try:
            await member.until(lambda said: bool(said["ready"]), 300.0, POLL_SECONDS)
            begun, before = monotonic(), member.cost.cpu_seconds
            step = dt.timedelta(seconds=2 / rate)
            sending = asyncio.create_task(fill_at(kafka, stream(wall_now(), step), rate, minutes * 60))
            while not sending.done():
                await asyncio.wait([sending], timeout=_SAMPLE_SECONDS)
                samples.append(await asyncio.to_thread(_sample, member, home / "feedback", begun))
            events = await sending
            await member.until(has_written_all, 300.0, POLL_SECONDS)
            used = member.cost.cpu_seconds - before
        finally:
            member.process.stop()
        return _summary(minutes, rate, events, home / "feedback", samples, used)


def _sample(member: Member, location: Path, begun: float) -> Sample:
    status = member.status() or {"pending": {}}
    cost, asked = member.cost, monotonic()
    rows = _newest_minute(location)
    took = monotonic() - asked
    return Sample(
        minute=round((asked - begun) / 60, 2),
        resident_megabytes=round(cost.resident_bytes / 1024**2, 1),
        cpu_seconds=round(cost.cpu_seconds, 1),
        table_lag=int(status["pending"].get("table_lag", -1)),
        files={name: _files(location, name) for name in TABLES},
        query_ms=round(took * 1000, 1),
        query_rows=rows,
    )


def _newest_minute(location: Path) -> int:
    """Decisions of the newest minute by kind, with their mean score; returns how many they were."""
    now = wall_now()
    rows = FeedbackTable(location, "decisions").scan(CONTRACT.use_case, Days((now - _ASKED).date()))
    found = (
        rows.filter(pl.col("event_time") > now - _ASKED)
        .group_by("decision")
        .agg(pl.len(), pl.col("scores").list.first().mean())
        .collect()
    )
    return int(found["len"].sum())


def _files(location: Path, name: Any) -> int:
    table = FeedbackTable(location, name)
    version = table.version()
    return 0 if version is None else len(table.snapshot(version).paths(None, Days()))


def _summary(
    minutes: float, rate: float, events: int, location: Path, samples: Sequence[Sample], used: float
) -> Soaked:
    warm = [one for one in samples if one.minute > _WARM_SHARE * minutes]
    tables = {name: FeedbackTable(location, name) for name in TABLES}
    records = {name: table.scan().select("kafka_partition", "kafka_offset").collect() for name, table in tables.items()}
    rows = {name: frame.height for name, frame in records.items()}
    once = sum(frame.unique().height for frame in records.values())
    asked = sorted(one.query_ms for one in warm)
    history = {name: table.open() for name, table in tables.items()}
    return Soaked(
        minutes=minutes,
        rate=rate,
        events=events,
        rows=rows,
        missing=events - once,
        memory_slope_mb_per_minute=round(slope([(one.minute, one.resident_megabytes) for one in warm]), 3),
        query_slope_ms_per_minute=round(slope([(one.minute, one.query_ms) for one in warm]), 3),
        query_ms=(asked[len(asked) // 2], asked[int(len(asked) * 0.95)]) if asked else (0.0, 0.0),
        files_at_most={name: max(one.files[name] for one in samples) for name in TABLES},
        files_at_the_end={name: _files(location, name) for name in TABLES},
        compactions={
            name: sum(commit["operationParameters"].get("mode") == "Overwrite" for commit in table.history())
            for name, table in history.items()
            if table is not None
        },
        events_per_cpu_second=round(events / used),
        samples=samples,
    )


def page(found: Soaked) -> str:
    """The report for people."""
    lines = [
        f"# The monitor under {found.rate:.0f} events a second for {found.minutes:g} minutes",
        "",
        f"`python -m benchmarks.monitor.soak --minutes {found.minutes:g} --rate {found.rate:.0f}`, "
        f"{os.cpu_count()} cores, shared with others. Slopes are medians over all pairs of samples after the first "
        f"{_WARM_SHARE:.0%}.",
        "",
        "| | |",
        "|---|---|",
        f"| events written to Kafka | {found.events:,} |",
        f"| rows in the tables | {found.rows} |",
        f"| events that are not in the tables | {found.missing} |",
        f"| memory slope, MB a minute | {found.memory_slope_mb_per_minute} |",
        f"| query for the newest minute, median and 95 % in ms | {found.query_ms[0]}, {found.query_ms[1]} |",
        f"| its slope, ms a minute | {found.query_slope_ms_per_minute} |",
        f"| files, most and at the end | {found.files_at_most}, {found.files_at_the_end} |",
        f"| rewrites that joined files | {found.compactions} |",
        f"| events per CPU second of the monitor, clock steps and upkeep included | {found.events_per_cpu_second:,} |",
        "",
        "| minute | memory, MB | CPU, s | not yet in the tables | files | query, ms |",
        "|---|---|---|---|---|---|",
    ]
    every = max(1, len(found.samples) // 20)
    lines += [
        f"| {one.minute} | {one.resident_megabytes} | {one.cpu_seconds} | {one.table_lag} | "
        f"{one.files['decisions']} + {one.files['outcomes']} | {one.query_ms} |"
        for one in found.samples[::every]
    ]
    return "\n".join([*lines, ""])


def main() -> None:
    """Measure, print, write; exit status 1 where an event is missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--rate", type=float, default=2000.0)
    parser.add_argument("--report", type=Path, help="a .json; the page for people is written beside it as .md")
    asked = parser.parse_args()
    found = asyncio.run(run(asked.minutes, asked.rate))
    print(page(found))
    if asked.report:
        asked.report.write_text(json.dumps(asdict(found), indent=1) + "\n", encoding="utf-8")
        asked.report.with_suffix(".md").write_text(page(found), encoding="utf-8")
    raise SystemExit(1 if found.missing else 0)


if __name__ == "__main__":
    main()
