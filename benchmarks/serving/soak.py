"""Serving for a long time: `python -m benchmarks.serving.soak`; swaps under load, very many requests, Kafka away.

Each part has a system of its own; what it counts goes into one JSON, and exit status 1 says that something was lost,
failed or answered by a version that nobody released.
"""

import argparse
import asyncio
import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import uvloop

from benchmarks.serving.packages import SMALL, build
from benchmarks.serving.records import read_records
from benchmarks.serving.replica import Replica
from benchmarks.serving.soak_away import away
from benchmarks.serving.soak_swaps import swaps
from benchmarks.serving.soak_volume import volume
from headrace.embedded_kafka import EmbeddedKafka

PARTS = ("swaps", "volume", "away")
# Each of these must be zero.
BROKEN = ("errors", "answers_of_a_wrong_version", "failed", "workers_restarted", "answered_and_not_on_kafka")
RECORDS = 2000


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


def measure(asked: argparse.Namespace) -> dict[str, Any]:
    """Run the parts that are asked for."""
    cache, records = asked.cache.absolute(), read_records(RECORDS)
    first = build(cache, SMALL)
    found: dict[str, Any] = {}
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        if "swaps" in asked.parts:
            second = build(cache, SMALL + timedelta(days=7))
            with system(1, asked.workers) as (_, replicas):
                found["swaps"] = runner.run(swaps(replicas[0], (first, second), records, asked))
                print(json.dumps(found["swaps"]), flush=True)
        if "volume" in asked.parts:
            with system(1, asked.workers) as (_, replicas):
                found["volume"] = runner.run(volume(replicas[0], first, records, asked))
                print(json.dumps(found["volume"]), flush=True)
        if "away" in asked.parts:
            with system(2, 1) as (kafka, replicas):
                found["away"] = runner.run(away(kafka, replicas, first, records, asked))
                print(json.dumps(found["away"]), flush=True)
    return found


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
    found = measure(asked)
    broken = {f"{part} {name}": said[name] for part, said in found.items() for name in BROKEN if said.get(name)}
    asked.report.parent.mkdir(parents=True, exist_ok=True)
    asked.report.write_text(json.dumps({**found, "broken": broken}, indent=1) + "\n", encoding="utf-8")
    print(f"==> {asked.report}", flush=True)
    if broken:
        raise SystemExit(f"broken: {broken}")


if __name__ == "__main__":
    main()
