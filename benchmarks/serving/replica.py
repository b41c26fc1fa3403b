"""Our own serving as the product starts it: on an embedded Kafka, with what events released; all of it is on."""

import asyncio
import logging
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaProducer

from benchmarks.running import NotReachedError, Running
from benchmarks.serving.packages import Built
from benchmarks.serving.processes import command_of, descendants
from headrace.ports import LOOPBACK, free_ports
from headrace.service_commands import environment_of
from headrace.service_process import ServiceCommand, ServiceProcess
from services.serving.workers import read_live
from shared.contract import derive_policy
from shared.events import Event, ModelReleased, UseCaseApplied, to_record
from shared.package import read_package
from shared.spine.clock import monotonic, wall_now
from shared.spine.topics import provision

SOURCE = "benchmark"
_LOOK_SECONDS = 0.01
# The limit of one client is checked for every request, and set so high that it never refuses one.
SETTINGS: Mapping[str, str] = {
    "HEADRACE_SERVING_REQUESTS_PER_SECOND": "1000000",
    "HEADRACE_SERVING_BODY_BYTES": str(16 * 1024 * 1024),
}


# A topic that is just made has no leader for a moment; the producer says so each time, and tries again by itself.
logging.getLogger("aiokafka").setLevel(logging.CRITICAL)


@dataclass
class Replica(Running):
    """One replica of serving under a home: main process, workers, shipper."""

    home: Path
    kafka: str
    workers: int = 1
    instance: int = 0
    settings: Mapping[str, str] = field(default_factory=dict)
    port: int = field(default_factory=lambda: free_ports(1)[0])

    def __post_init__(self) -> None:
        variables = {
            **SETTINGS,
            "HEADRACE_KAFKA": self.kafka,
            "HEADRACE_SERVING_PORT": str(self.port),
            "HEADRACE_SERVING_WORKERS": str(self.workers),
            "HEADRACE_INSTANCE": str(self.instance),
            **self.settings,
        }
        command = (sys.executable, "-m", "services.serving.app")
        self.process = ServiceProcess(
            ServiceCommand("serving", command, self.port, environment_of(self.home, variables)),
            self.home / f"serving-{self.instance}.log",
            stop_deadline_seconds=40.0,
        )

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://{LOOPBACK}:{self.port}"

    def pids(self, module: str) -> list[int]:
        """The processes of `services.serving.<module>`: worker or shipper."""
        assert self.process.pid is not None, f"serving ended; see {self.process.log}"
        return [pid for pid in descendants(self.process.pid) if f"services.serving.{module}" in command_of(pid)]

    async def drained(self, seconds: float = 600.0) -> float:
        """Wait until Kafka has acknowledged all that was answered; returns the seconds that took."""
        return await self.until(lambda status: status["pending"]["spool_unacked"] == 0, seconds)

    async def switched(self, use_case: str, sequence: int, seconds: float = 60.0) -> None:
        """Wait until every worker has written down that it serves a release, without costing any of them time.

        Raises NotReachedError.
        """
        deadline = monotonic() + seconds
        while monotonic() < deadline:
            states = read_live(self.home / "serving" / "workers")
            there = [state for state in states if state.instance == self.instance]
            if len(there) == self.workers and all(state.active.get(use_case) == sequence for state in there):
                return
            await asyncio.sleep(_LOOK_SECONDS)
        raise NotReachedError(f"release {sequence} is not served after {seconds:.0f} s; see {self.process.log}")


def serves(use_case: str, sequence: int) -> Callable[[dict[str, Any]], bool]:
    """Whether every live worker serves a release."""
    return lambda status: status["ready"] and status["detail"]["releases"].get(use_case) == sequence


def applied(built: Built) -> UseCaseApplied:
    """The event of the registry that puts the contract in force."""
    contract = built.contract
    return UseCaseApplied.begin(
        source=SOURCE, time=wall_now(), use_case=contract.use_case, contract_digest=contract.digest,
        contract=contract.to_json(), revision=1, changed=[], signed_by="benchmark",
    )  # fmt: skip


def released(built: Built, sequence: int) -> ModelReleased:
    """The event of the registry that makes a package live, with the policy as the registry derives it."""
    package = read_package(built.path)
    return ModelReleased.begin(
        source=SOURCE, time=wall_now(), use_case=built.use_case, sequence=sequence, package_digest=built.digest,
        behaviour_digest=package.manifest.behaviour_digest, contract_digest=built.contract.digest,
        policy=derive_policy(built.contract, package.demand()).model_dump(mode="json"),
        cause="person", reason="the benchmark measures it", released_by="benchmark",
    )  # fmt: skip


async def publish(kafka: str, *events: Event) -> None:
    """Say events as the registry would."""
    await provision({"bootstrap_servers": kafka})
    producer = AIOKafkaProducer(bootstrap_servers=kafka, acks="all", enable_idempotence=True)
    await producer.start()
    try:
        for event in events:
            record = to_record(event)
            await producer.send_and_wait(record.topic, record.value, record.key, headers=list(record.headers))
    finally:
        await producer.stop()


async def release(replica: Replica, *built: Built) -> None:
    """Apply and release packages, and wait until they are served."""
    for each in built:
        await asyncio.to_thread(each.put_into, replica.home)
    await publish(replica.kafka, *(event for each in built for event in (applied(each), released(each, 1))))
    for each in built:
        await replica.until(serves(each.use_case, 1))
