"""Our own side of the benchmark: Kafka, one replica, what is released on it, and how soon it answers after a start."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from threading import Event

from benchmarks.serving import dialects
from benchmarks.serving.dialects import Dialect, Record
from benchmarks.serving.packages import Built
from benchmarks.serving.replica import Replica, release
from benchmarks.serving.targets import Target, post
from headrace.embedded_kafka import EmbeddedKafka
from shared.spine.clock import monotonic

_START_SECONDS = 60.0
_POLL_SECONDS = 0.005


@dataclass
class Ours:
    """The system that is measured, under one home; `start` and `stop` are for a `finally`."""

    home: Path

    def __post_init__(self) -> None:
        self.kafka = EmbeddedKafka(self.home / "kafka")
        self.replica: Replica | None = None

    def start(self, workers: int = 1) -> None:
        """Start Kafka and one replica."""
        self.home.mkdir(parents=True, exist_ok=True)
        self.kafka.start()
        self.replica = Replica(self.home, self.kafka.address, workers)
        self.replica.process.start()

    def stop(self) -> None:
        """End both, the replica first."""
        if self.replica is not None:
            self.replica.process.stop()
        self.kafka.stop()

    def release(self, *built: Built) -> None:
        """Make packages live as the registry would."""
        assert self.replica is not None
        asyncio.run(release(self.replica, *built))

    def target(self, name: str, dialect: Dialect) -> Target:
        """The replica, asked in one dialect."""
        assert self.replica is not None
        return Target(name, self.replica.port, dialect, self._processes, self._settle)

    def starts(self, use_case: str, records: Sequence[Record], times: int) -> list[float]:
        """End Kafka, then start the replica anew so often: seconds from its start to its first answer."""
        assert self.replica is not None
        self.replica.process.stop()
        self.kafka.stop()
        found = []
        for _ in range(times):
            begun = monotonic()
            self.replica.process.start()
            self._first_answer(dialects.headrace(use_case), records)
            found.append(monotonic() - begun)
            self.replica.process.stop()
        return found

    def _first_answer(self, dialect: Dialect, records: Sequence[Record]) -> None:
        assert self.replica is not None
        deadline, pause = monotonic() + _START_SECONDS, Event()
        while monotonic() < deadline:
            try:
                if post(self.replica.port, dialect, records)[0] == 200:
                    return
            except (OSError, HTTPException):
                pass
            pause.wait(_POLL_SECONDS)
        raise TimeoutError(f"no answer within {_START_SECONDS:.0f} s; see {self.replica.process.log}")

    def _processes(self) -> Mapping[str, Sequence[int]]:
        assert self.replica is not None
        return {role: self.replica.pids(role) for role in ("worker", "shipper")}

    def _settle(self) -> None:
        assert self.replica is not None
        asyncio.run(self.replica.drained())
