"""How many events the monitor takes to the tables per CPU second: `python -m benchmarks.monitor.stream`.

Half of the events are predictions of one row with twenty features, half are outcomes. The monitor's own processes are
ready and share the partitions before the topics of a real Kafka are filled, and stand still meanwhile. What counts is
from when they go on until the tables hold everything: consuming, decoding, checks, writing, clock steps, answers to
whoever asks.
"""

import argparse
import asyncio
import datetime as dt
import json
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

from aiokafka.admin import AIOKafkaAdminClient

from benchmarks.monitor.events import applied, check, stream
from benchmarks.monitor.filling import fill, prepare
from benchmarks.monitor.member import POLL_SECONDS, Member, has_written_all
from benchmarks.monitor.quota import limited
from benchmarks.serving.processes import signal_all
from headrace.embedded_kafka import EmbeddedKafka
from services.monitor.ingest import GROUP
from shared.feedback.table import FeedbackTable
from shared.spine.clock import monotonic, wall_now

TABLES = ("decisions", "outcomes")
_STEP = dt.timedelta(microseconds=10)
# Who stands still while the topics are filled is no member that has died.
_SETTINGS = {"HEADRACE_KAFKA_SESSION_SECONDS": "300"}
# The first events of a process load libraries.
_WARM_EVENTS = 2_000


@dataclass(frozen=True)
class Streamed:
    """One backlog, and the members who took it."""

    events: int
    cpu_seconds: Sequence[float]
    wall_seconds: float
    rows: Mapping[str, int]
    resident_megabytes: float

    @property
    def events_per_cpu_second(self) -> float:
        """What is promised, of all members together."""
        return self.events / sum(self.cpu_seconds)

    @property
    def events_per_second(self) -> float:
        """By the clock on the wall."""
        return self.events / self.wall_seconds


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


async def run(events: int, members: int = 1, cores_each: float | None = None) -> Streamed:
    """Put a backlog before so many members, each with a share of a core where `cores_each` says so.

    Raises NotReachedError, NoQuotaError, and ValueError for a lost event.
    """
    with broker() as (home, kafka), ExitStack() as limits:
        now = wall_now()
        for record in islice(stream(now, _STEP), 2):
            check(record)
        # Today's block is open: what is measured is the stream, no reports.
        records = stream(now, _STEP)
        await prepare(kafka, applied(now))
        async with _started(home, kafka, members) as started:
            await _all_share(kafka, members)
            await fill(kafka, records, _WARM_EVENTS)
            await _all_written(started)
            pids = [member.process.pid for member in started if member.process.pid is not None]
            if cores_each is not None:
                for pid in pids:
                    limits.enter_context(limited(pid, cores_each))
            with _still(pids):
                await fill(kafka, records, events)
                before, begun = [member.cost.cpu_seconds for member in started], monotonic()
            await _all_written(started)
            wall, costs = monotonic() - begun, [member.cost for member in started]
            limits.close()
        rows = {name: FeedbackTable(home / "feedback", name).scan().collect().height for name in TABLES}
    if sum(rows.values()) != events + _WARM_EVENTS:
        raise ValueError(f"{events} events became {rows}: the measurement is worth nothing")
    used = [round(cost.cpu_seconds - then, 2) for cost, then in zip(costs, before, strict=True)]
    return Streamed(events, used, round(wall, 2), rows, round(sum(cost.resident_bytes for cost in costs) / 1024**2, 1))


@asynccontextmanager
async def _started(home: Path, kafka: str, members: int) -> AsyncIterator[list[Member]]:
    started = [Member(home, kafka, instance, settings=_SETTINGS) for instance in range(members)]
    try:
        for member in started:
            member.process.start()
        for member in started:
            await member.until(lambda said: bool(said["ready"]), 300.0)
        yield started
    finally:
        for member in started:
            member.process.stop()


async def _all_share(kafka: str, members: int) -> None:
    """Wait until the group has this many members and has settled."""
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        async with asyncio.timeout(120.0):
            while True:
                [described] = await admin.describe_consumer_groups([GROUP])
                [(_, _, state, _, _, there, *_)] = described.groups
                if state == "Stable" and len(there) == members:
                    return
                await asyncio.sleep(POLL_SECONDS)
    finally:
        await admin.close()


async def _all_written(started: Sequence[Member]) -> None:
    for member in started:
        await member.until(has_written_all, 300.0, POLL_SECONDS)


@contextmanager
def _still(pids: Sequence[int]) -> Iterator[None]:
    signal_all(pids, signal.SIGSTOP)
    try:
        yield
    finally:
        signal_all(pids, signal.SIGCONT)


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--report", type=Path)
    asked = parser.parse_args()
    found = asyncio.run(run(asked.events))
    said = {**asdict(found), "events_per_cpu_second": round(found.events_per_cpu_second), "cores": os.cpu_count()}
    print(json.dumps(said, indent=1))
    if asked.report:
        asked.report.write_text(json.dumps(said, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
