"""On real Kafka: what is published lands in the tables once, and blocks close when time advances."""

import asyncio
import datetime as dt
import os
import sys
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from fastapi import FastAPI
from sqlalchemy import select

from headrace.embedded_kafka import EmbeddedKafka
from headrace.ports import free_ports
from services.monitor import decoding
from services.monitor.app import Monitor
from services.monitor.settings import MonitorSettings
from services.monitor.tables import TechnicalAskRow
from shared.events import (
    Event,
    KpiReported,
    ModelReleased,
    Record,
    RollbackRequested,
    TimeAdvanced,
    UseCaseApplied,
    from_record,
    to_record,
)
from shared.feedback.joined import joined
from shared.feedback.table import FeedbackTable
from shared.spine.app import build_app
from shared.spine.topics import provision
from tests.containers import database_url
from tests.feedback.contracts import flights_contract
from tests.feedback.streams import NOON, failed, happened, served

pytestmark = pytest.mark.kafka
DAY = dt.timedelta(days=1)
MIDNIGHT = NOON.replace(hour=0) + DAY
CONTRACT = flights_contract()
PATIENCE = 60.0


class Lab:
    """A monitor on a real broker, in a home and with topics of its own test."""

    def __init__(self, kafka: str, home: Path) -> None:
        self.home = home
        database = database_url(home / "monitor.db")
        self.given = {"home": str(home), "kafka": kafka, "clock": "replay", "monitor_database_url": database}
        self.options: dict[str, Any] = {"bootstrap_servers": kafka}

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Monitor]:
        monitor = Monitor(MonitorSettings.model_validate(self.given))
        app: FastAPI = build_app(monitor.service)
        async with app.router.lifespan_context(app):
            yield monitor

    async def publish(self, *records: Event | Record) -> None:
        async with AIOKafkaProducer(**self.options, acks="all") as producer:
            for one in records:
                record = to_record(one) if isinstance(one, Event) else one
                await producer.send_and_wait(
                    record.topic, value=record.value, key=record.key, headers=list(record.headers)
                )

    async def read(self, topic: str, count: int) -> list[Any]:
        """The first `count` different events of a topic, waiting for them; delivery is at least once."""
        records: dict[object, Any] = {}
        async with AIOKafkaConsumer(topic, **self.options, auto_offset_reset="earliest") as consumer:
            async with asyncio.timeout(PATIENCE):
                while len(records) < count:
                    record = await consumer.getone()
                    headers = dict(record.headers)
                    came_from = headers.get("dead_partition"), headers.get("dead_offset")
                    records.setdefault(came_from if any(came_from) else headers["ce_id"], record)
        return list(records.values())

    async def count(self, topic: str) -> int:
        """How many records a topic of one partition holds."""
        partition = TopicPartition(topic, 0)
        consumer = AIOKafkaConsumer(**self.options)
        consumer.assign([partition])
        async with consumer:
            return int((await consumer.end_offsets([partition]))[partition])

    def decisions(self) -> FeedbackTable:
        return FeedbackTable(self.home / "feedback", "decisions")

    def table(self) -> Any:
        return joined(self.home / "feedback", "flights", NOON + 365 * DAY)


@pytest.fixture
async def lab(kafka_node: EmbeddedKafka, tmp_path: Path) -> Lab:
    lab = Lab(kafka_node.start(), tmp_path / "home")
    await provision(lab.options)
    await lab.publish(
        UseCaseApplied.begin(
            source="registry",
            time=NOON,
            use_case="flights",
            contract_digest=CONTRACT.digest,
            contract=CONTRACT.to_json(),
            revision=1,
            changed=[],
            signed_by="desk",
        )
    )
    return lab


async def until_closed(monitor: Monitor, now: dt.datetime) -> None:
    """Ask until the step at `now` is done and nothing is pending; each question is a round trip to Kafka."""
    async with asyncio.timeout(PATIENCE):
        status: dict[str, Any] = {}
        while not (status.get("quiet") and status["clock"] == now.isoformat()):
            status = await monitor.service.status()


async def until_heard(monitor: Monitor, releases: dict[str, int]) -> None:
    """Ask until these releases are known; lifecycle topics do not wait for each other."""
    async with asyncio.timeout(PATIENCE):
        while (await monitor.service.status())["detail"]["releases"] != releases:
            pass


def day_of(number: int) -> Iterable[Event]:
    noon = NOON + number * DAY
    for i in range(4):
        yield served(f"d{number}-{i}", [noon] * 5, contract_digest=CONTRACT.digest)
        yield happened({f"d{number}-{i}/{k}": "late" for k in range(5)}, noon)


def released(sequence: int) -> ModelReleased:
    return ModelReleased.begin(
        source="registry", time=NOON - DAY, use_case="flights", sequence=sequence, package_digest=f"{sequence:064x}",
        behaviour_digest="b" * 64, contract_digest=CONTRACT.digest, policy={}, cause="person", reason="a try",
        released_by="ada", rollback_target=f"{1:064x}" if sequence > 1 else None,
    )  # fmt: skip


def advanced(now: dt.datetime) -> TimeAdvanced:
    return TimeAdvanced.begin(source="replay", time=now, now=now)


async def test_events_land_in_the_tables_and_the_block_is_reported(lab: Lab) -> None:
    async with lab.running() as monitor:
        await lab.publish(*day_of(0), advanced(MIDNIGHT))
        (record,) = await lab.read("kpi_reported", 1)
        await until_closed(monitor, MIDNIGHT)
    report = from_record(KpiReported, record.value, record.headers)
    assert (report.block, report.volume, report.labelled, report.status) == ("2013-03-01", 20, 20, "judged")
    assert (report.time, report.value_minor) == (MIDNIGHT, 20 * 500)
    assert lab.table().height == 20
    assert lab.decisions().version() == 1, "one commit per table and day"


async def test_garbage_is_dead_lettered_and_blocks_nothing(lab: Lab) -> None:
    good = to_record(served("good", contract_digest=CONTRACT.digest))
    bad_headers = Record(good.topic, b"k", good.value, (("ce_id", b"\xff\xfe"), ("ce_type", b"")))
    garbage = [
        Record("prediction_served", b"k", b"{not json", good.headers),
        Record("prediction_served", b"k", b'{"use_case": "flights", "latency_ms": 1e999}', good.headers),
        bad_headers,
        to_record(served("wrong-block", block="2013-07-01", contract_digest=CONTRACT.digest)),
        to_record(served("wrong-decision", decisions=["fire"], contract_digest=CONTRACT.digest)),
        to_record(happened({"good/0": "never heard of"})),
    ]
    async with lab.running() as monitor:
        await lab.publish(TimeAdvanced.begin(source="replay", time=NOON, now=NOON))
        await until_closed(monitor, NOON)
        await lab.publish(*garbage[:3], good, *garbage[3:], happened({"good/0": "late"}), advanced(MIDNIGHT))
        await until_closed(monitor, MIDNIGHT)
    dead = await lab.read("prediction_served.dead", 5) + await lab.read("outcome_recorded.dead", 1)
    assert sorted(one.value for one in dead) == sorted(record.value for record in garbage)
    reasons = {dict(one.headers)["dead_reason"].decode() for one in dead}
    assert any("block" in reason for reason in reasons)
    assert any("'fire' is not one of none, act, review" in reason for reason in reasons)
    broken = next(one for one in dead if dict(one.headers).get("ce_id") == b"\xff\xfe")
    assert broken.headers[:2] == bad_headers.headers
    assert lab.table().select("prediction_id", "label").rows() == [("good/0", "late")]


async def test_a_bug_that_hits_everything_stops_the_consumer_and_loses_nothing(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_given: object) -> None:
        raise KeyError("bug")

    good = [served(f"g-{number}", contract_digest=CONTRACT.digest) for number in range(12)]
    async with lab.running() as monitor:
        await lab.publish(TimeAdvanced.begin(source="replay", time=NOON, now=NOON))
        await until_closed(monitor, NOON)
        with monkeypatch.context() as broken:
            broken.setattr(decoding, "prediction_problem", fail)
            broken.setattr(decoding.Decoder, "_read_quickly", fail)
            await lab.publish(*good)
            await lab.read("prediction_served.dead", 4)
            async with asyncio.timeout(PATIENCE):
                while not (reasons := await monitor.service.reasons_not_ready()):
                    await monitor.service.status()
            assert "the consumer of prediction_served stopped after 5 bugs in a row: KeyError('bug')" in reasons
            # It says so at once, and then writes down how far it came.
            async with asyncio.timeout(PATIENCE):
                while sum(lab.decisions().offsets([("prediction_served", n) for n in range(3)]).values()) < 4:
                    await monitor.service.status()
    async with lab.running() as monitor:
        await lab.publish(advanced(MIDNIGHT))
        await until_closed(monitor, MIDNIGHT)
    assert await lab.count("prediction_served.dead") == 4
    dead = {dict(one.headers)["ce_id"].decode() for one in await lab.read("prediction_served.dead", 4)}
    counted = {name.partition("/")[0] for name in lab.table()["prediction_id"]}
    assert counted == {event.request_id for event in good if event.id not in dead}
    assert len(counted) == 8


async def test_a_monitor_that_died_goes_on_from_the_tables(lab: Lab) -> None:
    async with lab.running() as monitor:
        await lab.publish(*day_of(0), advanced(MIDNIGHT))
        await until_closed(monitor, MIDNIGHT)
        # Read into memory, never written: the next life reads it again.
        await lab.publish(*day_of(1))
    async with lab.running() as monitor:
        await lab.publish(advanced(MIDNIGHT + DAY))
        await until_closed(monitor, MIDNIGHT + DAY)
        assert (await monitor.service.status())["detail"]["last_block"] == {"flights": "2013-03-02"}
    assert lab.table().height == 40
    raw = lab.decisions().scan("flights").collect()
    assert raw.height == raw.unique(["prediction_id"]).height == 40
    assert [await lab.count(topic) for topic in ("kpi_reported", "prediction_served.dead")] == [2, 0]


async def test_failed_requests_are_counted_once_across_lives_and_take_a_release_back(lab: Lab) -> None:
    errors = [failed(f"x{i}", release=2) for i in range(5)]
    answers = [served(f"a{i}", release=2, contract_digest=CONTRACT.digest) for i in range(45)]
    await lab.publish(*(released(sequence) for sequence in (1, 2)))
    async with lab.running() as monitor:
        await until_heard(monitor, {"flights": 2})
        await lab.publish(*errors, *answers)
    async with lab.running() as monitor:
        # The shipper may send what it sent before once more.
        await lab.publish(*errors[:3], advanced(MIDNIGHT))
        await until_closed(monitor, MIDNIGHT)
    async with lab.running() as monitor:
        await lab.publish(advanced(MIDNIGHT + DAY))
        await until_closed(monitor, MIDNIGHT + DAY)
        async with monitor.db.read() as session:
            assert len(list(await session.scalars(select(TechnicalAskRow)))) == 1
    (record,) = await lab.read("rollback_requested", 1)
    request = from_record(RollbackRequested, record.value, record.headers)
    assert (request.kpi, request.release_sequence, request.time) == ("error_rate", 2, MIDNIGHT)
    assert request.evidence == {"failed": 5, "requests": 50, "share": 0.1, "limit": 0.05}
    assert await lab.count("prediction_served.dead") == 0


async def test_killed_at_random_moments_it_tells_everything_once(lab: Lab) -> None:
    first = 3
    for number in range(first):
        async with process(lab) as monitor:
            await lab.publish(*day_of(number), advanced(MIDNIGHT + number * DAY))
            # Each life ends somewhere else: before reading, while writing, after reporting.
            if number:
                await lab.read("kpi_reported", number - 1)
            monitor.kill()
    async with process(lab):
        await lab.publish(*day_of(first), advanced(MIDNIGHT + first * DAY))
        records = await lab.read("kpi_reported", first + 1)
    reports = [from_record(KpiReported, record.value, record.headers) for record in records]
    told = [(report.block, report.revision, report.volume, report.value_minor) for report in reports]
    assert told == [(f"2013-03-0{day}", 1, 20, 10_000) for day in range(1, first + 2)]
    raw = lab.decisions().scan("flights").collect()
    assert raw.height == raw.unique(["prediction_id"]).height == 20 * (first + 1)
    assert FeedbackTable(lab.home / "feedback", "outcomes").scan("flights").collect().height == 20 * (first + 1)


@asynccontextmanager
async def process(lab: Lab) -> AsyncIterator[asyncio.subprocess.Process]:
    """The monitor as its own process; killed at the end without a word."""
    given = lab.given | {"monitor_port": str(free_ports(1)[0])}
    variables = {f"HEADRACE_{name.upper()}": value for name, value in given.items()}
    started = await asyncio.create_subprocess_exec(
        sys.executable, "-W", "ignore", "-m", "services.monitor.app", env={**os.environ, **variables},
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield started
    finally:
        with suppress(ProcessLookupError):
            started.kill()
        await started.wait()
