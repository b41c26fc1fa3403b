"""Attacks by records on real Kafka: each becomes a dead letter, and services and topics are as they were."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from headrace.embedded_kafka import EmbeddedKafka
from services.monitor.app import Monitor
from services.monitor.settings import MonitorSettings
from services.registry.app import make_app
from services.registry.settings import RegistrySettings
from shared.events import CATALOGUE, from_record
from shared.events.topics import DEAD_SUFFIX
from shared.spine.app import build_app
from shared.spine.topics import ends_of
from tests.delivery.seen import everything, is_ready, send, until
from tests.security.apps import client_of
from tests.security.attacks_records import RECORD_ATTACKS
from tests.security.traces import traces, watched

TOPICS = sorted({record.topic for record in RECORD_ATTACKS.values()})
LETTERS = [topic + DEAD_SUFFIX for topic in TOPICS]


@pytest.fixture
async def kafka_with_services(kafka_node: EmbeddedKafka, tmp_path: Path) -> AsyncIterator[str]:
    """A broker of its own, with a registry and a monitor that hear what is said on it."""
    kafka = kafka_node.start()
    given: dict[str, Any] = {"home": tmp_path / "home", "kafka": kafka, "clock": "replay"}
    apps = {
        "registry": make_app(RegistrySettings(**given)),
        "monitor": build_app(Monitor(MonitorSettings(**given)).service),
    }
    async with AsyncExitStack() as stack:
        for name, app in apps.items():
            await stack.enter_async_context(app.router.lifespan_context(app))
            http = await stack.enter_async_context(client_of(app, name))
            await until(lambda http=http: is_ready(http), 150)  # type: ignore[misc]
        yield kafka


def lasting(home: Path) -> dict[str, str]:
    """All traces but two that move by themselves: the log of the monitor's tables, in which it keeps its offsets (rows
    would be files beside it), and the beats of its lease.
    """
    found = traces(home).items()
    return {name: said for name, said in found if "/_delta_log/" not in name and 'INTO "monitor_leases"' not in said}


@pytest.mark.kafka
async def test_every_attack_becomes_a_dead_letter_and_leaves_no_other_trace(
    kafka_with_services: str, tmp_path: Path
) -> None:
    kafka, home = kafka_with_services, tmp_path / "home"
    options = {"bootstrap_servers": kafka}
    admin = AIOKafkaAdminClient(**options)
    await admin.start()
    await admin.create_topics([NewTopic("stranger", num_partitions=1, replication_factor=1)])
    await admin.close()
    for record in RECORD_ATTACKS.values():
        with pytest.raises(ValueError, match=": "):
            from_record(CATALOGUE[record.topic], record.value, record.headers)
    before = lasting(home)
    others = [topic for topic in (*CATALOGUE, "stranger") if topic not in TOPICS]
    ends = await ends_of(options, others)
    with watched(tmp_path) as watch:
        await send(kafka, *RECORD_ATTACKS.values())

        async def all_are_dead() -> bool:
            return sum((await ends_of(options, LETTERS)).values()) >= len(RECORD_ATTACKS)

        await until(all_are_dead)
    letters = [letter for topic in LETTERS for letter in await everything(kafka, topic)]
    assert len(letters) == len(RECORD_ATTACKS)
    assert {dict(letter.headers)["dead_kind"] for letter in letters} == {b"malformed"}
    assert sorted(letter.value for letter in letters) == sorted(record.value for record in RECORD_ATTACKS.values())
    assert await ends_of(options, others) == ends
    assert lasting(home) == before
    # Talking to this Kafka is no trace; talking to anybody else would be.
    assert [act for act in watch.acts if not (act.startswith("socket.") and "127.0.0.1" in act)] == []
    assert not Path("/tmp/headrace-was-here").exists()
