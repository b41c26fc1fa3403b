"""A service and Kafka that die and come back: nothing lost, nothing done twice, no help needed."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from headrace.embedded_kafka import EmbeddedKafka
from headrace.ports import free_ports
from headrace.settings import inherited_environment
from shared.spine.db import Database
from shared.spine.errors import TransientError
from shared.spine.outbox import add_to_outbox, waiting
from shared.spine.publisher import Publisher
from shared.spine.relay import Relay
from shared.spine.topics import provision
from tests.containers import database_url
from tests.delivery.seen import (
    TOPIC,
    ask,
    asked,
    committed,
    end_of,
    following,
    is_ready,
    running,
    settings_for,
    take,
    until,
)
from tests.delivery.tiny_service import answer_to, effects, tiny_service

pytestmark = pytest.mark.kafka
ANSWERS = "training_finished"


def start(kafka: str, home: Path, point: str) -> tuple["subprocess.Popen[bytes]", str, Path]:
    """The tiny service as a process that stops at a point of its handler; its address, and the file that says so."""
    (port,) = free_ports(1)
    said = home / f"reached-{point}"
    environment = {**inherited_environment(), "HEADRACE_KAFKA": kafka, "HEADRACE_HOME": str(home)}
    command = [sys.executable, "-m", "tests.delivery.tiny_service", point, str(said), str(port)]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return process, f"http://127.0.0.1:{port}", said


@pytest.fixture
async def db(tmp_path: Path, kafka: str) -> AsyncIterator[Database]:
    """The database of the service in the other process."""
    database = Database(database_url(tmp_path / "tiny.db"))
    await database.create_tables()
    yield database
    await database.close()


async def test_a_service_killed_at_any_point_of_its_handler_loses_nothing_and_does_nothing_twice(
    kafka: str, tmp_path: Path, db: Database
) -> None:
    await provision(settings_for(tmp_path, kafka).kafka_options())
    event, after = asked(), asked()
    await ask(kafka, event, after)
    for point, expected in (("before", 0), ("inside", 0), ("after", 1)):
        process, _, said = start(kafka, tmp_path, point)
        try:
            await until(lambda said=said: exists(said))  # type: ignore[misc]
        finally:
            process.kill()
            process.wait()
        # The first event of the topic may be another test's: it is the one that is being handled.
        assert await effects(db, said.read_text(encoding="utf-8")) == expected
    process, url, _ = start(kafka, tmp_path, "nowhere")
    try:
        async with httpx.AsyncClient(base_url=url) as client:
            await until(lambda: is_ready(client))
            await until(lambda: is_quiet(client))
        await until(lambda: had_effect(db, after.id))
        assert [await effects(db, e.id) for e in (event, after)] == [1, 1]
        async with following(kafka, ANSWERS) as answers:
            expected_ids = {answer_to(e, "tiny").id.encode() for e in (event, after)}
            found = await take(answers, 2, lambda r: dict(r.headers)["ce_id"] in expected_ids)
        assert {dict(r.headers)["ce_id"] for r in found} == expected_ids
    finally:
        process.terminate()
        # uvicorn shuts down in order and then dies of the signal that it was sent.
        assert process.wait(30) in (0, -signal.SIGTERM)


async def exists(file: Path) -> bool:
    """Whether the other process has said it."""
    return file.exists() and bool(file.read_text(encoding="utf-8"))


async def is_quiet(client: httpx.AsyncClient) -> bool:
    """Whether the service says that nothing is under way."""
    return bool((await client.get("/v1/status")).json()["quiet"])


async def had_effect(db: Database, event_id: str) -> bool:
    """Whether an event has had its effect."""
    return await effects(db, event_id) == 1


async def test_a_service_goes_on_by_itself_when_kafka_was_away(kafka_node: EmbeddedKafka, tmp_path: Path) -> None:
    kafka = await asyncio.to_thread(kafka_node.start)
    service = tiny_service(settings_for(tmp_path, kafka))
    async with running(service) as client:
        before, during, after = asked("before"), asked("during"), asked("after")
        await ask(kafka, before)
        await until(lambda: had_effect(service.db, before.id))
        await until(lambda: nothing_waits(service.db))
        await asyncio.to_thread(kafka_node.stop)
        async with service.db.transaction() as session:
            add_to_outbox(session, answer_to(during, "tiny"))
        status = (await client.get("/v1/status")).json()
        assert (status["quiet"], status["pending"]["outbox"]) == (False, 1)
        assert await asyncio.to_thread(kafka_node.start) == kafka
        async with following(kafka, ANSWERS) as answers:
            wanted = {answer_to(during, "tiny").id.encode(), answer_to(after, "tiny").id.encode()}
            await take(answers, 1, lambda r: dict(r.headers)["ce_id"] in wanted)
            await ask(kafka, after)
            await take(answers, 1, lambda r: dict(r.headers)["ce_id"] in wanted)
        assert [await effects(service.db, e.id) for e in (before, after)] == [1, 1]
        assert await is_ready(client)


async def test_a_service_started_while_kafka_is_away_answers_http_and_becomes_ready_later(
    kafka_node: EmbeddedKafka, tmp_path: Path
) -> None:
    kafka = await asyncio.to_thread(kafka_node.start)
    await asyncio.to_thread(kafka_node.stop)
    service = tiny_service(settings_for(tmp_path, kafka))
    async with running(service, ready=False) as client:
        assert (await client.get("/healthz")).status_code == 200
        assert (await client.get("/metrics")).status_code == 200
        answer = await client.get("/readyz")
        assert (answer.status_code, answer.json()["reasons"]) == (503, ["Kafka has not answered yet"])
        # What is decided meanwhile waits in the outbox.
        early = asked("early")
        async with service.db.transaction() as session:
            add_to_outbox(session, early)
        assert await asyncio.to_thread(kafka_node.start) == kafka
        await until(lambda: is_ready(client))
        await until(lambda: had_effect(service.db, early.id))


async def test_outbox_rows_survive_the_process_and_go_out_in_order(kafka: str, tmp_path: Path) -> None:
    settings = settings_for(tmp_path, kafka)
    rows = [answer_to(asked(str(number)), "survivor") for number in range(30)]
    db = Database(database_url(tmp_path / "survivor.db"))
    await db.create_tables()
    async with db.transaction() as session:
        add_to_outbox(session, *rows)
    await db.close()
    service = tiny_service(settings, name="survivor")
    async with running(service), following(kafka, ANSWERS) as answers:
        ids = [row.id.encode() for row in rows]
        found = await take(answers, len(rows), lambda r: dict(r.headers)["ce_id"] in ids)
        assert [dict(r.headers)["ce_id"] for r in found] == ids
        await until(lambda: nothing_waits(service.db))


async def nothing_waits(db: Database) -> bool:
    """Whether the outbox is empty."""
    async with db.read() as session:
        return await waiting(session) == 0


async def test_of_two_relays_on_one_database_one_is_active_and_the_other_takes_over(kafka: str, tmp_path: Path) -> None:
    settings = settings_for(tmp_path, kafka)
    await provision(settings.kafka_options())
    databases = [Database(database_url(tmp_path / "shared.db")) for _ in range(2)]
    await databases[0].create_tables()
    publishers = [Publisher(settings.kafka_options()) for _ in databases]
    pairs = zip(databases, publishers, strict=True)
    relays = [asyncio.create_task(Relay(db, publisher, "shared").run()) for db, publisher in pairs]
    try:
        await until(lambda: is_held(databases[0]))
        async with databases[0].transaction() as session:
            add_to_outbox(session, answer_to(asked("first"), "shared"))
        await until(lambda: nothing_waits(databases[0]))
        active = [publisher._producer is not None for publisher in publishers]
        assert sorted(active) == [False, True], "both relays have published"
        relays[active.index(True)].cancel()
        await asyncio.gather(relays[active.index(True)], return_exceptions=True)
        async with databases[0].transaction() as session:
            add_to_outbox(session, answer_to(asked("second"), "shared"))
        await until(lambda: nothing_waits(databases[0]))
        assert publishers[active.index(False)]._producer is not None
    finally:
        for relay in relays:
            relay.cancel()
        await asyncio.gather(*relays, return_exceptions=True)
        for publisher in publishers:
            await publisher.stop()
        for db in databases:
            await db.close()


async def is_held(db: Database) -> bool:
    """Whether some relay is active."""
    try:
        async with db.exclusive("relay"):
            return False
    except TransientError:
        return True


async def test_a_restart_at_once_goes_on_where_it_was(kafka: str, tmp_path: Path) -> None:
    for round_ in range(2):
        service = tiny_service(settings_for(tmp_path, kafka), name="restarted")
        async with running(service):
            event = asked(str(round_))
            await ask(kafka, event)
            # A new member instead of the same static one would wait for the session timeout of 45 s.
            await until(lambda service=service, event=event: had_effect(service.db, event.id), 30)  # type: ignore[misc]
            end = await end_of(kafka, TOPIC)
            await until(lambda end=end: has_committed(kafka, end))  # type: ignore[misc]


async def has_committed(kafka: str, offset: int) -> bool:
    """Whether the group has come that far."""
    return await committed(kafka, "restarted") == offset
