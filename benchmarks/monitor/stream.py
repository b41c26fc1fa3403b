"""How many events the monitor takes to the tables per CPU second: `python -m benchmarks.monitor.stream`.

Half of the events are predictions of one row with twenty features, half are outcomes. They lie in the topics of a real
Kafka before the monitor's own process starts; what counts is the CPU time of that process from when it is ready until
the tables hold everything: consuming, decoding, checks, writing, its clock steps, its answers to whoever asks.
"""

import argparse
import asyncio
import datetime as dt
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

from benchmarks.monitor.events import applied, check, stream
from benchmarks.monitor.filling import fill, prepare
from benchmarks.monitor.member import POLL_SECONDS, Member, has_written_all
from headrace.embedded_kafka import EmbeddedKafka
from shared.feedback.table import FeedbackTable
from shared.spine.clock import monotonic, wall_now

_STEP = dt.timedelta(microseconds=10)


@dataclass(frozen=True)
class Streamed:
    """One measurement of one or several members, all of them together."""

    events: int
    members: int
    cpu_seconds: float
    wall_seconds: float
    rows: Mapping[str, int]
    resident_megabytes: float

    @property
    def events_per_cpu_second(self) -> float:
        """What is promised."""
        return self.events / self.cpu_seconds


def measure(events: int) -> float:
    """Events per CPU second of one monitor process, `events` of both topics together. Raises NotReachedError."""
    return asyncio.run(run(events)).events_per_cpu_second


@contextmanager
def broker() -> Iterator[tuple[Path, str]]:
    """A home with a real Kafka, ended and removed afterwards."""
    home = Path(tempfile.mkdtemp(prefix="headrace-stream-"))
    kafka = EmbeddedKafka(home / "kafka")
    try:
        yield home, kafka.start()
    finally:
        kafka.stop()
        shutil.rmtree(home, ignore_errors=True)


async def run(events: int, members: int = 1) -> Streamed:
    """Fill, start the members, and measure until the tables hold everything."""
    with broker() as (home, kafka):
        now = wall_now()
        # Today's block is open: what is measured is the stream, no reports.
        records = stream(now, _STEP)
        for record in islice(stream(now, _STEP), 2):
            check(record)
        await prepare(kafka, applied(now))
        await fill(kafka, records, events)
        started = [Member(home, kafka, instance) for instance in range(members)]
        try:
            for member in started:
                member.process.start()
            for member in started:
                await member.until(lambda said: bool(said["ready"]), 300.0)
            before, begun = sum(member.cost.cpu_seconds for member in started), monotonic()
            for member in started:
                await member.until(has_written_all, 300.0, POLL_SECONDS)
            used, wall = sum(member.cost.cpu_seconds for member in started) - before, monotonic() - begun
            resident = sum(member.cost.resident_bytes for member in started) / 1024**2
        finally:
            for member in started:
                member.process.stop()
        rows = {name: FeedbackTable(home / "feedback", name).scan().collect().height for name in TABLES}
    if sum(rows.values()) != events:
        raise ValueError(f"{events} events became {rows}: the measurement is worth nothing")
    return Streamed(events, members, round(used, 2), round(wall, 2), rows, round(resident, 1))


TABLES = ("decisions", "outcomes")


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--members", type=int, default=1)
    parser.add_argument("--report", type=Path)
    asked = parser.parse_args()
    found = asyncio.run(run(asked.events, asked.members))
    said = {**asdict(found), "events_per_cpu_second": round(found.events_per_cpu_second), "cores": os.cpu_count()}
    print(json.dumps(said, indent=1))
    if asked.report:
        asked.report.write_text(json.dumps(said, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
