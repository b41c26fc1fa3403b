"""Serving for a long time: `python -m benchmarks.serving.soak`; swaps, very many requests, Kafka away, full capacity.

Each part has a system of its own. What it counts goes into one JSON and a page beside it, in which the parts that were
run before stay; exit status 1 says that a part is not as promised.
"""

import argparse
import asyncio
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import uvloop

from benchmarks.serving import soak_report
from benchmarks.serving.packages import SMALL, build
from benchmarks.serving.records import read_records
from benchmarks.serving.replica import Replica
from benchmarks.serving.soak_away import away
from benchmarks.serving.soak_capacity import capacity
from benchmarks.serving.soak_swaps import swaps
from benchmarks.serving.soak_volume import volume
from headrace.embedded_kafka import EmbeddedKafka
from shared.spine.clock import wall_now

PARTS = ("swaps", "volume", "away", "capacity")
RECORDS, RECORDS_OF_A_DAY = 2000, 6000
CAPACITY_WORKERS = 4


@contextmanager
def system(replicas: int, workers: int) -> Iterator[tuple[EmbeddedKafka, list[Replica]]]:
    """Kafka and so many replicas on one home, ended and removed afterwards."""
    home = Path(tempfile.mkdtemp(prefix="headrace-soak-"))
    kafka, started = EmbeddedKafka(home / "kafka"), list[Replica]()
    try:
        kafka.start()
        for instance in range(replicas):
            started.append(Replica(home, kafka.address, workers, instance))
            started[-1].process.start()
        yield kafka, started
    finally:
        for replica in started:
            replica.process.stop()
        kafka.stop()
        shutil.rmtree(home, ignore_errors=True)


def swaps_part(runner: asyncio.Runner, asked: argparse.Namespace) -> dict[str, Any]:
    """Two packages in turn on one replica."""
    built = (build(asked.cache, SMALL), build(asked.cache, SMALL + timedelta(days=7)))
    with system(1, asked.workers) as (_, replicas):
        return runner.run(swaps(replicas[0], built, read_records(RECORDS), asked))


def volume_part(runner: asyncio.Runner, asked: argparse.Namespace) -> dict[str, Any]:
    """Very many requests on one replica."""
    built = build(asked.cache, SMALL)
    with system(1, asked.workers) as (_, replicas):
        return runner.run(volume(replicas[0], built, read_records(RECORDS), asked))


def away_part(runner: asyncio.Runner, asked: argparse.Namespace) -> dict[str, Any]:
    """Two replicas of one worker, and no Kafka."""
    built = build(asked.cache, SMALL)
    with system(2, 1) as (kafka, replicas):
        return runner.run(away(kafka, replicas, built, read_records(RECORDS), asked))


def capacity_part(runner: asyncio.Runner, asked: argparse.Namespace) -> dict[str, Any]:
    """Four workers and two days."""
    built = build(asked.cache, SMALL)
    with system(1, CAPACITY_WORKERS) as (_, replicas):
        return runner.run(capacity(replicas[0], built, read_records(RECORDS_OF_A_DAY), asked))


RUN = {"swaps": swaps_part, "volume": volume_part, "away": away_part, "capacity": capacity_part}


def measure(asked: argparse.Namespace, found: dict[str, Any]) -> dict[str, Any]:
    """Run the parts that are asked for, and write each as soon as it is there."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        for part in asked.parts:
            about = {"at": wall_now().isoformat(timespec="seconds"), "load_before": os.getloadavg()[0]}
            said = RUN[part](runner, asked)
            print(json.dumps({part: said}), flush=True)
            found[part] = {**said, **about, "command": " ".join([soak_report.COMMAND, *sys.argv[1:]])}
            _write(asked.report, found)
    return found


def _write(report: Path, found: dict[str, Any]) -> None:
    report.parent.mkdir(parents=True, exist_ok=True)
    report.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    report.with_suffix(".md").write_text(soak_report.page(found), encoding="utf-8")


def main() -> None:
    """Measure, write, and fail when something is not as promised."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parts", nargs="*", choices=PARTS, default=PARTS)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--swaps", type=int, default=200)
    parser.add_argument("--every", type=float, default=0.5, help="seconds between a swap and the next one")
    parser.add_argument("--rate", type=float, default=300.0, help="requests a second during the swaps")
    parser.add_argument("--requests", type=int, default=1_000_000)
    parser.add_argument("--away-seconds", type=float, default=600.0)
    parser.add_argument("--away-rate", type=float, default=200.0)
    parser.add_argument("--cache", type=Path, default=Path("build/bench"))
    parser.add_argument("--report", type=Path, default=Path("build/bench/soak.json"))
    asked = parser.parse_args()
    asked.cache = asked.cache.absolute()
    kept = json.loads(asked.report.read_text(encoding="utf-8")) if asked.report.exists() else {}
    broken = soak_report.broken(measure(asked, kept), asked.parts)
    print(f"==> {asked.report}", flush=True)
    if broken:
        raise SystemExit("\n".join(["not as promised:", *broken]))


if __name__ == "__main__":
    main()
