"""Soak, part one: releases change under load; does anybody see an error, a wrong version, or a long wait?"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from benchmarks.serving import dialects
from benchmarks.serving.asking import Answered, Load
from benchmarks.serving.dialects import Record
from benchmarks.serving.on_kafka import activations
from benchmarks.serving.packages import Built
from benchmarks.serving.processes import wait_until_idle
from benchmarks.serving.replica import Replica, release, released
from shared.events import to_record
from shared.spine.clock import monotonic, wall_now
from shared.spine.publisher import Publisher

_AFTER_SECONDS = 0.1
# By then both packages have been loaded by every worker.
_WARM_SEQUENCE = 4


@dataclass
class Watch:
    """What was published and what every worker had confirmed, at each moment of the load."""

    digests: dict[int, str] = field(default_factory=dict)
    newest: int = 1
    confirmed: int = 1
    errors: int = 0
    strange: int = 0
    answers: list[tuple[float, float]] = field(default_factory=list)
    lowest: dict[int, float] = field(default_factory=dict)

    def see(self, answer: Answered) -> None:
        """Judge one answer: a version is right when it was published before the end and not left before the start."""
        self.answers.append((answer.begun, answer.ended))
        if answer.said is None:
            self.errors += 1
            return
        left_at = self.lowest.get(answer.said.release + 1, float("inf"))
        right = answer.said.release <= self.newest and answer.begun <= left_at
        self.strange += not (right and self.digests[answer.said.release] == answer.said.version)


async def swaps(replica: Replica, built: Sequence[Built], records: Sequence[Record], asked: Any) -> dict[str, Any]:
    """Release the packages in turn `asked.swaps` times; returns the numbers."""
    await release(replica, built[0])
    built[1].put_into(replica.home)
    await asyncio.to_thread(wait_until_idle, replica.pids("worker"))
    use_case = built[0].use_case
    watch = Watch(digests={1: built[0].digest})
    dialect = dialects.headrace(use_case)
    bodies = [dialect.body([record]) for record in records]
    numbered = ((number, bodies[number % len(bodies)]) for number in count())
    load = Load(dialect.path, [replica.port], numbered, watch.see, clients=8, rate=asked.rate)
    publisher = Publisher({"bootstrap_servers": replica.kafka})
    # Made before the load: deriving a policy would hold up the clients, and look like a wait at the server.
    releases = [released(built[(sequence - 1) % 2], sequence) for sequence in range(2, asked.swaps + 2)]
    windows: list[tuple[float, float]] = []
    sent: dict[int, float] = {}
    async with load.running():
        await asyncio.sleep(asked.every)
        for event, record in zip(releases, [*map(to_record, releases)], strict=True):
            sequence = event.sequence
            watch.digests[sequence], watch.newest = event.package_digest, sequence
            begun, sent[sequence] = monotonic(), wall_now().timestamp()
            await publisher.send([record])
            await replica.switched(use_case, sequence)
            # From here on nobody may be answered by the release before.
            watch.lowest[sequence] = monotonic()
            windows.append((begun, watch.lowest[sequence] + _AFTER_SECONDS))
            await asyncio.sleep(asked.every)
    await publisher.stop()
    await replica.drained()
    return {**_judged(watch, windows), **await _switched(replica.kafka, sent)}


def _judged(watch: Watch, windows: Sequence[tuple[float, float]]) -> dict[str, Any]:
    near: list[float] = []
    calm: list[float] = []
    place = 0
    for begun, ended in sorted(watch.answers):
        while place < len(windows) and windows[place][1] < begun:
            place += 1
        meets = place < len(windows) and ended >= windows[place][0]
        (near if meets else calm).append((ended - begun) * 1000)
    near_p99, calm_p99 = percentile(near, 0.99), percentile(calm, 0.99)
    return {
        "swaps": len(windows),
        "requests": len(watch.answers),
        "errors": watch.errors,
        "answers_of_a_wrong_version": watch.strange,
        "requests_near_a_swap": len(near),
        "p50_ms_near_a_swap": percentile(near, 0.5),
        "p50_ms_calm": percentile(calm, 0.5),
        "p99_ms_near_a_swap": near_p99,
        "p99_ms_calm": calm_p99,
        "p99_near_over_calm": round(near_p99 / calm_p99, 2) if near_p99 and calm_p99 else None,
        "p999_ms_near_a_swap": percentile(near, 0.999),
        "p999_ms_calm": percentile(calm, 0.999),
    }


async def _switched(kafka: str, sent: dict[int, float]) -> dict[str, Any]:
    """Milliseconds from the moment before a warm release was published until each worker answered with it."""
    reports = [one for one in await activations(kafka) if one.status == "active" and one.sequence >= _WARM_SEQUENCE]
    after = [(one.time.timestamp() - sent[one.sequence]) * 1000 for one in reports if one.sequence in sent]
    return {
        "warm_switches_of_workers": len(after),
        "warm_switch_ms_median": percentile(after, 0.5),
        "warm_switch_ms_p99": percentile(after, 0.99),
        "warm_switch_ms_max": max(after, default=None),
        "warm_activation_ms_median": percentile([one.milliseconds for one in reports], 0.5),
    }


def percentile(values: Sequence[float], share: float) -> float | None:
    """The value that this share does not exceed.

    >>> percentile([3.0, 1.0, 2.0], 0.5)
    2.0
    """
    ordered = sorted(values)
    return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 3) if ordered else None
