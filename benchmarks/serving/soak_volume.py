"""Soak, part two: very many requests; do the workers grow, and is every prediction on Kafka once?"""

import asyncio
from collections.abc import Sequence
from itertools import cycle
from typing import Any

from benchmarks.serving import dialects
from benchmarks.serving.asking import Answered, Load
from benchmarks.serving.dialects import Record
from benchmarks.serving.on_kafka import predictions
from benchmarks.serving.packages import Built
from benchmarks.serving.processes import cost_of, wait_until_idle
from benchmarks.serving.replica import Replica, release
from shared.spine.clock import monotonic

_LOOKS = 10


async def volume(replica: Replica, built: Built, records: Sequence[Record], asked: Any) -> dict[str, Any]:
    """Ask `asked.requests` times as fast as answers come; returns the numbers."""
    await release(replica, built)
    workers = replica.pids("worker")
    # What a worker loads after its start is no growth.
    await asyncio.to_thread(wait_until_idle, workers, looks=5)
    dialect = dialects.headrace(built.use_case)
    bodies = [dialect.body([record]) for record in records]
    ids: set[str] = set()
    failed = 0
    megabytes = [round(cost_of(workers).resident_bytes / 1e6, 1)]
    step = max(1, asked.requests // _LOOKS)

    def see(answer: Answered) -> None:
        nonlocal failed
        if answer.said is None:
            failed += 1
            return
        ids.add(answer.said.request_id)
        if len(ids) % step == 0:
            megabytes.append(round(cost_of(workers).resident_bytes / 1e6, 1))

    begun = monotonic()
    numbered = enumerate(body for _, body in zip(range(asked.requests), cycle(bodies), strict=False))
    await Load(dialect.path, [replica.port], numbered, see, clients=16).until_done()
    seconds = monotonic() - begun
    drained = await replica.drained(3600.0)
    restarted = sorted(set(replica.pids("worker")) ^ set(workers))
    found = await predictions(replica.kafka)
    there = {request_id for request_id, _ in found}
    return {
        "requests": asked.requests,
        "failed": failed,
        "answered": len(ids),
        "seconds": round(seconds, 1),
        "drain_seconds": round(drained, 1),
        "worker_megabytes": megabytes,
        "worker_growth_megabytes": round(megabytes[-1] - megabytes[0], 1),
        "worker_growth_megabytes_after_the_first_tenth": round(
            megabytes[-1] - megabytes[min(1, len(megabytes) - 1)], 1
        ),
        "workers_restarted": len(restarted),
        "predictions_on_kafka": sum(found.values()),
        "predictions_on_kafka_after_dedupe": len(found),
        "copies_after_dedupe": len(found) - len(there),
        "answered_and_not_on_kafka": len(ids - there),
        "on_kafka_and_not_answered": len(there - ids),
    }
