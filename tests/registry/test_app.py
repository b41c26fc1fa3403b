"""The whole registry against real Kafka: heard once, published once, also after a kill between the two."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from fastapi import FastAPI

from services.registry.app import make_app
from services.registry.settings import RegistrySettings
from shared.events import (
    CATALOGUE,
    Event,
    ModelRejected,
    ModelReleased,
    TimeAdvanced,
    UseCaseApplied,
    from_record,
    to_record,
)
from shared.package import PackageStore
from shared.spine.publisher import Publisher
from shared.spine.topics import provision
from tests.registry.conftest import YAML, settings_for
from tests.registry.toy import NOW, contract_text, make_toy

pytestmark = pytest.mark.kafka
SECONDS = 60.0


async def publish(bootstrap: str, *events: Event) -> None:
    await provision({"bootstrap_servers": bootstrap})
    publisher = Publisher({"bootstrap_servers": bootstrap})
    await publisher.send([to_record(event) for event in events])
    await publisher.stop()


async def heard(bootstrap: str, event: type[Event], until: Callable[[list[Any]], bool]) -> list[Any]:
    """Read a topic from its start until what came satisfies `until`."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        consumer.assign([TopicPartition(event.topic, 0)])
        await consumer.seek_to_beginning()
        found: list[Any] = []
        async with asyncio.timeout(SECONDS):
            while not until(found):
                record = await consumer.getone()
                found.append(from_record(CATALOGUE[record.topic], record.value, record.headers))
        return found
    finally:
        await consumer.stop()


async def when(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait for the thing itself, within a deadline."""
    tick = asyncio.Event()
    async with asyncio.timeout(SECONDS):
        while not await condition():
            asyncio.get_running_loop().call_later(0.05, tick.set)
            await tick.wait()
            tick.clear()


@asynccontextmanager
async def running(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://registry") as http,
    ):

        async def ready() -> bool:
            return (await http.get("/readyz")).status_code == 200 and (await http.get("/v1/status")).json()["clock"]

        await when(ready)
        yield http


def kafka_settings(home: Path, bootstrap: str, **changed: Any) -> RegistrySettings:
    return settings_for(home, kafka=bootstrap, **changed)


async def begin(bootstrap: str) -> None:
    await publish(bootstrap, TimeAdvanced.begin(source="replay", time=NOW, now=NOW))


async def apply(http: httpx.AsyncClient, use_case: str, *changes: tuple[str, str]) -> None:
    text = contract_text(("use_case: trains", f"use_case: {use_case}"), *changes)
    assert (await http.post("/v1/use_cases", content=text, headers=YAML)).status_code == 200


def of(use_case: str, count: int = 1) -> Callable[[list[Any]], bool]:
    return lambda found: sum(event.use_case == use_case for event in found) >= count


async def test_a_trained_model_is_released_and_the_same_event_again_changes_nothing(kafka: str, tmp_path: Path) -> None:
    settings = kafka_settings(tmp_path, kafka)
    (tmp_path / "toys").mkdir()
    toy = make_toy(tmp_path / "toys", use_case="heard_once")
    PackageStore(settings.packages_location).put(toy.path, toy.digest)
    await begin(kafka)
    async with running(make_app(settings)) as http:
        await apply(http, "heard_once")
        event = toy.trained()
        stranger = toy.trained(use_case="nobody_knows")
        await publish(kafka, event, event, stranger)
        await heard(kafka, ModelRejected, of("nobody_knows"))
        released = await heard(kafka, ModelReleased, of("heard_once"))
        assert [(r.sequence, r.causation_id) for r in released if r.use_case == "heard_once"] == [(1, event.id)]

        await when(partial(published, http))
        releases = (await http.get("/v1/use_cases/heard_once/releases")).json()
        assert [release["sequence"] for release in releases] == [1]


async def test_what_is_committed_before_a_kill_is_published_once_after_the_restart(kafka: str, tmp_path: Path) -> None:
    """A registry that cannot reach Kafka commits, is killed with -9, and its successor publishes."""
    use_case = "killed_between"
    await begin(kafka)
    environment = {
        **os.environ,
        "HEADRACE_HOME": str(tmp_path / "home"),
        "HEADRACE_KAFKA": "127.0.0.1:9",
        "HEADRACE_REGISTRY_DATABASE_URL": settings_for(tmp_path / "home").database,
        "HEADRACE_REGISTRY_PORT": str(free_port()),
    }
    url = f"http://127.0.0.1:{environment['HEADRACE_REGISTRY_PORT']}"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.registry.app", env=environment, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        async with httpx.AsyncClient(base_url=url) as http:

            async def answers() -> bool:
                try:
                    return (await http.get("/healthz")).status_code == 200
                except httpx.TransportError:
                    return False

            await when(answers)
            await apply(http, use_case)
            assert (await http.get("/v1/status")).json()["pending"] == {"outbox": 1}
            assert (await http.get("/readyz")).status_code == 503
    finally:
        process.send_signal(signal.SIGKILL)
        await process.wait()
    settings = kafka_settings(tmp_path / "home", kafka)
    for _restart in range(2):
        async with running(make_app(settings)) as http:
            await when(partial(published, http))
    async with running(make_app(settings)) as http:
        # A later event ends the reading: a second copy of the first would stand before it.
        await apply(http, use_case, ("limit: 40", "limit: 41"))
        await when(partial(published, http))
    found = [each for each in await heard(kafka, UseCaseApplied, last_revision(use_case)) if each.use_case == use_case]
    assert [each.revision for each in found] == [1, 2]


async def published(http: httpx.AsyncClient) -> bool:
    pending: dict[str, int] = (await http.get("/v1/status")).json()["pending"]
    return pending == {"outbox": 0}


def last_revision(use_case: str) -> Callable[[list[Any]], bool]:
    return lambda found: any(event.use_case == use_case and event.revision == 2 for event in found)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
