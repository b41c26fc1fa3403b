"""Carries out what the plan says, beside the replay, and counts what really happened."""

import asyncio
import random
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from shared.spine import points
from tests.chaos import torn
from tests.chaos.clients import Acknowledged
from tests.chaos.plan import Act, Plan
from tests.chaos.repeater import Repeater
from tests.chaos.system import SESSION_SECONDS, System
from tests.chaos.waiting import pause, until

# A record that no consumer can read, for a service with groups of its own and for the monitor's tables.
_SPOILT_TOPICS = ("rollback_requested", "outcome_recorded", "training_requested")
_TRIES = 600
_DISK_FULL_SECONDS = 4.0
_LONGEST_DELAY_SECONDS = 0.6
_MOST_MILLISECONDS_INTO_A_COMMIT = 25.0


class Chaos:
    """One run's disturbances. `at` starts those of a moment, `settle` waits until their causes have ended."""

    def __init__(
        self, system: System, plan: Plan, seed: int, use_case: str, ledger: Acknowledged, twice: float = 0.0
    ) -> None:
        self._system, self._plan, self._chance = system, plan, random.Random(seed)
        self._use_case, self._ledger = use_case, ledger
        self._running: list[asyncio.Task[None]] = []
        # Kafka is stopped by one act at a time, and only one act at a time holds or tears a service.
        self._kafka, self._holding = asyncio.Lock(), asyncio.Lock()
        self.repeater = Repeater(system.options, seed, twice)
        self.done: Counter[str] = Counter()
        self.spoilt: set[tuple[str, int, int]] = set()
        self.wrongly_accepted: list[str] = []

    def at(self, day: int, hour: int) -> None:
        """Start the acts of this moment of the replay."""
        for act in self._plan.get((day, hour), ()):
            self._running.append(asyncio.create_task(self._perform(act), name=f"{act.kind} {act.target}"))

    async def settle(self) -> None:
        """Return when every disturbance has been taken away; what it left behind heals by itself or not at all."""
        running, self._running = self._running, []
        await asyncio.gather(*running)

    async def _perform(self, act: Act) -> None:
        match act.kind:
            case "kill":
                await self.kill(act.target)
            case "point":
                await self.arm(act.target)
            case "pause":
                await self._pause(act.target)
            case "kafka_restart":
                await self.stop_kafka(0.0)
            case "tear":
                await self._tear(act.amount)
            case "torn_upload":
                await self._upload_torn()
            case "malformed":
                await self._spoil()
            case "repeat":
                await self.repeat()
            case "disk_full":
                await self.fill_disk()

    async def kill(self, service: str) -> None:
        """kill -9 of a service that works, at some moment of what is going on."""
        met = False
        while not met:
            async with self._holding:
                await self._system.ready(service)
            await pause(self._chance.uniform(0.0, _LONGEST_DELAY_SECONDS))
            # Another act may have ended it in between: then this one waits for the next life.
            met = self._system.signal_group(service, signal.SIGKILL)
        self.done[f"kill {service}"] += 1

    async def arm(self, point: str) -> None:
        """The next process that comes by ends there; some points need somebody to bring them what they wait for."""
        armed = self._system.points / point
        await until(lambda: not armed.exists(), 120.0)
        into = self._chance.uniform(0.5, _MOST_MILLISECONDS_INTO_A_COMMIT)
        armed.write_text(f"{into:.2f}" if point == points.MID_DELTA_COMMIT else "")
        if point == points.MID_PACKAGE_UPLOAD:
            await self._upload()
        elif point == points.AFTER_DEAD_LETTER_BEFORE_OFFSET:
            await self._spoil()

    def fired(self) -> Counter[str]:
        """How often each point has ended a process."""
        return Counter(path.name.split(".")[0] for path in self._system.points.glob("*.fired"))

    async def _pause(self, service: str) -> None:
        async with self._holding:
            await self._system.ready(service)
            while not self._system.signal_group(service, signal.SIGSTOP):
                await self._system.ready(service)
            await pause(SESSION_SECONDS + 2.0)
            self._system.signal_group(service, signal.SIGCONT)
            self.done[f"pause {service}"] += 1

    async def stop_kafka(self, seconds: float) -> None:
        """Kafka ends, as by a power cut or in order, and comes back later."""
        async with self._kafka:
            broker = self._system.kafka
            await asyncio.to_thread(broker.kill if self._chance.random() < 0.5 else broker.stop)
            await pause(seconds)
            await asyncio.to_thread(broker.start)
            self.done["outage of Kafka" if seconds else "restart of Kafka"] += 1

    async def repeat(self) -> None:
        """Every event again; while Kafka is up, since the harness wants to know what it has written."""
        async with self._kafka:
            await self.repeater.repeat()

    async def fill_disk(self) -> None:
        """Databases and spool find no byte more for a while."""
        async with self._holding:
            self._system.disk.fill()
            try:
                await pause(_DISK_FULL_SECONDS)
            finally:
                self._system.disk.free()
            self.done["disk full"] += 1

    async def _tear(self, count: int) -> None:
        """Damage files of serving while it is held, then kill it: it must start from what is left."""
        async with self._holding:
            await self._system.ready("serving")
            if not self._system.signal_group("serving", signal.SIGSTOP):
                return
            self._tear_one(torn.newest_segment(self._system.home), half=True)
            for path in self._chance.sample(torn.serving_files(self._system.home), count - 1):
                self._tear_one(path)
            self._system.signal_group("serving", signal.SIGKILL)

    def _tear_one(self, path: Path, *, half: bool = False) -> None:
        how = torn.leave_half_a_write(path, self._chance) if half else torn.tear(path, self._chance)
        self.done[f"torn {path.name if path.suffix != '.seg' else 'segment'} ({how})"] += 1

    async def _upload(self) -> None:
        digest, files = self._variant()
        if await self._put(digest, torn.archive(files)) in (200, 201):
            self._ledger.packages.append(digest)
            self.done["upload"] += 1
        else:
            self._ledger.failed.append(f"upload {digest}")

    async def _upload_torn(self) -> None:
        digest, files = self._variant()
        status = await self._put(digest, torn.torn_archive(files, self._chance))
        self.done["torn upload"] += 1
        if not 400 <= status < 500 or (self._system.home / "packages" / digest).exists():
            self.wrongly_accepted.append(f"{digest}: {status}")

    def _variant(self) -> tuple[str, dict[str, bytes]]:
        stored = min(path.parent for path in (self._system.home / "packages").glob("*/manifest.json"))
        return torn.package_variant(stored, f"{self._chance.getrandbits(64):x}")

    async def _put(self, digest: str, body: bytes) -> int:
        async with httpx.AsyncClient(base_url=self._system.urls["registry"], timeout=30.0) as http:
            for _ in range(_TRIES):
                try:
                    answer = await http.put(f"/v1/packages/{digest}", content=body)
                    if answer.status_code < 500:
                        return answer.status_code
                except httpx.HTTPError:
                    pass
                await pause(0.5)
        return 0

    async def _spoil(self) -> None:
        topic = self._chance.choice(_SPOILT_TOPICS)
        body = bytes(self._chance.randrange(256) for _ in range(40))
        placed = await self._send(topic, body)
        self.spoilt.add((placed.topic, placed.partition, placed.offset))
        self.done["malformed record"] += 1

    async def _send(self, topic: str, body: bytes) -> Any:
        for _ in range(_TRIES):
            async with self._kafka:
                producer = AIOKafkaProducer(**self._system.options, acks="all", enable_idempotence=True)
                try:
                    await producer.start()
                    return await producer.send_and_wait(topic, value=body, key=self._use_case.encode())
                except KafkaError:
                    await pause(0.5)
                finally:
                    await producer.stop()
        raise TimeoutError(f"Kafka did not take a record of {topic}")
