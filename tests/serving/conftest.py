"""A serving process as it really runs, for the tests that need one."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from shared.events import Event, to_record
from shared.spine.clock import monotonic
from shared.spine.topics import provision


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Running:
    """One replica: main process, workers, shipper."""

    home: Path
    kafka: str
    settings: dict[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start the main process; its log goes to <home>/serving.log."""
        environment = {
            **os.environ,
            "HEADRACE_HOME": str(self.home),
            "HEADRACE_KAFKA": self.kafka,
            "HEADRACE_SERVING_PORT": str(self.port),
            **self.settings,
        }
        with (self.home / "serving.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "services.serving.app"], env=environment, stderr=log, stdout=log
            )

    def stop(self) -> int:
        """End it as a supervisor does."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=40)

    def kill(self) -> None:
        """End it as the kernel does."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(timeout=10)

    async def until(self, reached: Callable[[dict[str, Any]], bool], seconds: float = 150.0) -> dict[str, Any]:
        """Ask for the status until it is as wanted."""
        deadline = monotonic() + seconds
        last: dict[str, Any] = {}
        never = asyncio.get_running_loop().create_future()
        async with httpx.AsyncClient(base_url=self.url, timeout=5) as client:
            while monotonic() < deadline:
                # A busy loop would take the very core that the awaited work needs.
                await asyncio.wait([never], timeout=0.05)
                try:
                    last = (await client.get("/v1/status")).json()
                    if reached(last):
                        return last
                except (httpx.HTTPError, ValueError):
                    assert self.process is not None
                    assert self.process.poll() is None, "serving ended"
        raise AssertionError(f"not reached in {seconds} s: {json.dumps(last)[:3000]}")


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """Make replicas that are ended after the test."""
    made: list[Running] = []

    def make(kafka: str, **settings: str) -> Running:
        running = Running(tmp_path, kafka, settings)
        made.append(running)
        return running

    yield make
    for running in made:
        if running.process is not None and running.process.poll() is None:
            running.stop()


@asynccontextmanager
async def producer(kafka: str) -> AsyncIterator[Callable[..., Any]]:
    """Publish events as the registry would."""
    await provision({"bootstrap_servers": kafka})
    client = AIOKafkaProducer(bootstrap_servers=kafka, acks="all", enable_idempotence=True)
    await client.start()

    async def publish(*events: Event) -> None:
        for event in events:
            record = to_record(event)
            await client.send_and_wait(record.topic, record.value, record.key, headers=list(record.headers))

    try:
        yield publish
    finally:
        await client.stop()


async def read_all(kafka: str, topic: str, use_case: str) -> list[Any]:
    """All records of a use case that a topic has now."""
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=kafka, group_id=None, auto_offset_reset="earliest")
    await consumer.start()
    try:
        end = await consumer.end_offsets(consumer.assignment())
        found: list[Any] = []
        while any([await consumer.position(partition) < offset for partition, offset in end.items()]):
            for records in (await consumer.getmany(timeout_ms=200)).values():
                found += [record for record in records if record.key.startswith(use_case.encode())]
        return found
    finally:
        await consumer.stop()
