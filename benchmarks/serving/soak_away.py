"""Soak, part three: Kafka away, replicas restarted one after the other, a client that asks once more; what is lost?"""

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from benchmarks.serving import dialects
from benchmarks.serving.asking import Answered, Load
from benchmarks.serving.dialects import Record
from benchmarks.serving.on_kafka import predictions
from benchmarks.serving.packages import Built
from benchmarks.serving.replica import Replica, release, serves
from benchmarks.serving.soak_swaps import percentile
from headrace.embedded_kafka import EmbeddedKafka
from shared.spine.clock import monotonic

_CALM_SECONDS = 5.0
_DRAIN_SECONDS = 3600.0


async def away(
    kafka: EmbeddedKafka, replicas: Sequence[Replica], built: Built, records: Sequence[Record], asked: Any
) -> dict[str, Any]:
    """Take Kafka away for `asked.away_seconds` under `asked.away_rate` requests a second; returns the numbers."""
    await release(replicas[0], built)
    for replica in replicas:
        await replica.until(serves(built.use_case, 1))
    answers: list[Answered] = []
    path = dialects.headrace(built.use_case).path
    load = Load(
        path, [one.port for one in replicas], _bodies(records), answers.append, clients=20, rate=asked.away_rate
    )
    async with load.running():
        await asyncio.sleep(_CALM_SECONDS)
        await asyncio.to_thread(kafka.stop)
        gone = monotonic()
        for number, replica in enumerate(replicas, start=1):
            due = gone + number * asked.away_seconds / (len(replicas) + 1)
            await asyncio.sleep(max(0.0, due - monotonic()))
            await asyncio.to_thread(replica.process.stop)
            replica.process.start()
            await replica.until(lambda status: status["ready"])
        await asyncio.sleep(max(0.0, gone + asked.away_seconds - monotonic()))
        away_seconds = monotonic() - gone
        await asyncio.to_thread(kafka.start)
        drained = await replicas[0].drained(_DRAIN_SECONDS)
    await replicas[0].drained(_DRAIN_SECONDS)
    ids = {answer.said.request_id for answer in answers if answer.said}
    found = await predictions(kafka.address)
    there = {request_id for request_id, _ in found}
    milliseconds = [(answer.ended - answer.begun) * 1000 for answer in answers]
    return {
        "away_seconds": round(away_seconds, 1),
        "requests": len(answers),
        "failed": sum(answer.said is None for answer in answers),
        "failed_with": sorted({answer.statuses for answer in answers if answer.said is None}),
        "asked_twice": sum(len(answer.statuses) > 1 for answer in answers),
        "answered": len(ids),
        "delivered": len(ids & there),
        "answered_and_not_on_kafka": len(ids - there),
        "copies_on_kafka": sum(found.values()) - len(found),
        "drain_seconds": round(drained, 1),
        "p50_ms": percentile(milliseconds, 0.5),
        "p99_ms": percentile(milliseconds, 0.99),
    }


def _bodies(records: Sequence[Record]) -> Iterator[tuple[int, bytes]]:
    number = 0
    while True:
        record = records[number % len(records)]
        yield number, msgspec.json.encode({"request_id": f"away-{number:07d}", "records": [record]})
        number += 1
