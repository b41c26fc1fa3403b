"""On real Kafka: several members give the same tables, blocks and alarms as one, though one is killed midway."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer

from services.monitor.ingest import GROUP
from shared.events import Event, KpiReported, RollbackRequested, TimeAdvanced, UseCaseApplied, from_record
from shared.feedback.schema import TOPICS
from shared.feedback.table import FeedbackTable
from shared.spine.topics import provision
from tests.containers import empty_kafka
from tests.feedback.streams import NOON, failed, happened, served
from tests.monitor.test_ingest import (
    CONTRACT,
    DAY,
    MIDNIGHT,
    PATIENCE,
    Lab,
    process,
    released,
    until_closed,
    until_heard,
)

pytestmark = [pytest.mark.kafka, pytest.mark.slow]
DAYS = 4


def day(number: int) -> Iterable[Event]:
    """Answers and their labels, some of them a day late, some twice; on the third day a release fails."""
    noon = NOON + number * DAY
    for i in range(20):
        name = f"d{number}-{i}"
        answer = served(name, [noon] * 3, release=2, contract_digest=CONTRACT.digest)
        told = happened({f"{name}/{k}": ("late", "on_time")[(i + k) % 2] for k in range(3)}, noon)
        yield answer
        if i % 5 == 0:
            yield answer
        if i % 4:
            yield told
    if number:
        for i in range(0, 20, 4):
            yield happened({f"d{number - 1}-{i}/{k}": "late" for k in range(3)}, noon)
    if number == 2:
        for i in range(10):
            yield failed(f"f{i}", noon, release=2)


def advanced(now: dt.datetime) -> TimeAdvanced:
    """The same id whenever it is said."""
    return TimeAdvanced.begin(id=f"t-{now.isoformat()}", source="replay", time=now, now=now)


async def tell(lab: Lab, number: int) -> None:
    await lab.publish(*day(number))
    await lab.publish(advanced(MIDNIGHT + number * DAY))


async def told(lab: Lab, kind: type[Event]) -> list[Any]:
    """What a topic holds, each event once, by id."""
    found: dict[str, Any] = {}
    async with AIOKafkaConsumer(kind.topic, **lab.options, auto_offset_reset="earliest") as consumer:
        ends = await consumer.end_offsets(consumer.assignment())
        while any([await consumer.position(one) < end for one, end in ends.items()]):
            for records in (await consumer.getmany(timeout_ms=200)).values():
                for record in records:
                    event: Any = from_record(kind, record.value, record.headers)
                    found[event.id] = event
    return list(found.values())


async def until_told(lab: Lab, block: dt.date) -> None:
    """Wait until a block is reported."""
    async with asyncio.timeout(PATIENCE * 3):
        while block.isoformat() not in {report.block for report in await told(lab, KpiReported)}:
            pass


def rows(lab: Lab, name: Any, columns: Sequence[str]) -> set[tuple[Any, ...]]:
    frame = FeedbackTable(lab.home / "feedback", name).scan().select(columns).collect()
    places = FeedbackTable(lab.home / "feedback", name).scan().select("kafka_partition", "kafka_offset", columns[0])
    assert places.collect().is_duplicated().sum() == 0, "no record is there twice"
    return set(frame.rows())


async def seen(lab: Lab) -> dict[str, Any]:
    """What must not depend on how many members there were."""
    reports = await told(lab, KpiReported)
    asked = await told(lab, RollbackRequested)
    return {
        "decisions": rows(lab, "decisions", ["prediction_id", "event_time", "block", "decision", "num_distance"]),
        "outcomes": rows(lab, "outcomes", ["prediction_id", "known_at", "label"]),
        "blocks": sorted((r.block, r.release_sequence, r.revision, r.id, r.replaces or "", r.volume, r.labelled,
                          r.value_minor, r.status, r.time) for r in reports),
        "alarms": sorted((a.id, a.kpi, a.time, tuple(sorted(a.evidence.items()))) for a in asked),
    }  # fmt: skip


@asynccontextmanager
async def lab_of(folder: Path) -> AsyncIterator[Lab]:
    """A broker, with the contract and two releases."""
    with empty_kafka(folder / "kafka") as kafka:
        lab = Lab(kafka, folder / "home")
        lab.given |= {"kafka_session_seconds": "6", "monitor_lease_seconds": "2"}
        await provision(lab.options)
        applied = UseCaseApplied.begin(
            source="registry", time=NOON - DAY, use_case="flights", contract_digest=CONTRACT.digest,
            contract=CONTRACT.to_json(), revision=1, changed=[], signed_by="desk",
        )  # fmt: skip
        await lab.publish(applied, *(released(sequence) for sequence in (1, 2)))
        yield lab


async def test_a_block_closes_on_the_rows_of_partitions_that_come_over_while_the_step_waits(tmp_path: Path) -> None:
    async with lab_of(tmp_path) as lab, lab.running() as monitor:
        await until_heard(monitor, {"flights": 2})
        # Somebody of the same group, who takes some of the partitions and writes nothing.
        leaving = AIOKafkaConsumer(*TOPICS.values(), **lab.options, group_id=GROUP, enable_auto_commit=False)
        await leaving.start()
        async with asyncio.timeout(PATIENCE):
            while not leaving.assignment():
                await leaving.getmany(timeout_ms=100)
        await tell(lab, 0)
        async with asyncio.timeout(PATIENCE):
            while monitor.clock.known != MIDNIGHT:
                await leaving.getmany(timeout_ms=100)
        for _ in range(10):
            await leaving.getmany(timeout_ms=100)
            assert await told(lab, KpiReported) == []
        await leaving.stop()
        await until_told(lab, NOON.date())
        await until_closed(monitor, MIDNIGHT)
        assert [(report.volume, report.revision) for report in await told(lab, KpiReported)] == [(60, 1)]


async def test_two_members_give_what_one_gives_though_the_one_that_closes_blocks_is_killed(tmp_path: Path) -> None:
    async with lab_of(tmp_path / "one") as lab, process(lab):
        for number in range(DAYS):
            await tell(lab, number)
            await until_told(lab, (NOON + number * DAY).date())
        alone = await seen(lab)
    async with lab_of(tmp_path / "two") as lab, AsyncExitStack() as stack:
        first = await stack.enter_async_context(process(lab))
        await tell(lab, 0)
        await until_told(lab, NOON.date())
        second = Lab(lab.options["bootstrap_servers"], lab.home)
        second.given = lab.given | {"instance": "1"}
        await stack.enter_async_context(process(second))
        await tell(lab, 1)
        await until_told(lab, (NOON + DAY).date())
        # The first holds the lease and half of the partitions; it dies with the day half written.
        await lab.publish(*list(day(2))[:30])
        first.kill()
        await lab.publish(*list(day(2))[30:])
        await lab.publish(advanced(MIDNIGHT + 2 * DAY))
        await until_told(lab, (NOON + 2 * DAY).date())
        await tell(lab, 3)
        await until_told(lab, (NOON + 3 * DAY).date())
        together = await seen(lab)
    assert len(alone["alarms"]) == 1
    assert len(alone["decisions"]) == DAYS * 60
    assert len({block for block, *_ in alone["blocks"]}) == DAYS
    for what, value in alone.items():
        assert together[what] == value, what
