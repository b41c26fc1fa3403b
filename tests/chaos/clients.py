"""Clients that remember what was acknowledged to them, and a load of so many predictions a second."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from headrace.serving_client import ServingClient
from shared.evidence import uniform_of
from shared.spine.clock import monotonic
from tests.chaos.waiting import pause

_CLIENTS = 20
# A run counts what is lost, not how slowly a busy machine starts a service again.
_PATIENCE_SECONDS = 600.0


@dataclass
class Acknowledged:
    """What the system has said yes to; nothing of it may be lost."""

    decisions: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    packages: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    tries_again: int = 0


class LedgerClient(ServingClient):
    """A client that writes every answer down."""

    def __init__(self, url: str, use_case: str, ledger: Acknowledged) -> None:
        super().__init__(url, use_case, _PATIENCE_SECONDS)
        self._ledger = ledger

    async def predict(self, request_id: str, records: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """The predictions, remembered."""
        answers = await super().predict(request_id, records)
        self._ledger.decisions |= {answer["prediction_id"]: answer["decision"] for answer in answers}
        return answers

    async def outcomes(self, name: str, outcomes: Sequence[dict[str, Any]]) -> None:
        """The outcomes, remembered once they are accepted."""
        failed = len(self.failed)
        await super().outcomes(name, outcomes)
        if len(self.failed) == failed:
            self._ledger.labels |= {each["prediction_id"]: each["label"] for each in outcomes}

    async def __aexit__(self, *error: object) -> None:
        await super().__aexit__(*error)
        self._ledger.failed += self.failed
        self._ledger.tries_again += self.tries_again


class RepeatingClient(LedgerClient):
    """A client that now and then asks again what was answered, as one does whose connection broke."""

    def __init__(self, url: str, use_case: str, ledger: Acknowledged, twice: float) -> None:
        super().__init__(url, use_case, ledger)
        self._twice, self.asked_again = twice, 0

    async def predict(self, request_id: str, records: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """The predictions; a repeat must say the same, and counts once."""
        answers = await super().predict(request_id, records)
        if self._again("predict", request_id):
            again = await super().predict(request_id, records)
            self.answered -= len(again)
            if again != answers:
                self.failed.append(f"/predict {request_id}: a repeat was answered otherwise")
        return answers

    async def outcomes(self, name: str, outcomes: Sequence[dict[str, Any]]) -> None:
        """The outcomes, some of them told twice."""
        await super().outcomes(name, outcomes)
        if self._again("outcomes", name):
            await super().outcomes(name, outcomes)

    def _again(self, what: str, name: str) -> bool:
        again = uniform_of(what, name) < self._twice
        self.asked_again += again
        return again


class Load:
    """So many single predictions a second, from clients that each wait for their answer."""

    def __init__(self, url: str, use_case: str, ledger: Acknowledged, records: Sequence[dict[str, Any]], rate: int):
        self._clients = [LedgerClient(url, use_case, ledger) for _ in range(_CLIENTS)]
        self._records, self._every = records, _CLIENTS / rate
        self._numbers = count()
        self._stopping = False

    @property
    def answered(self) -> int:
        """Predictions so far."""
        return sum(client.answered for client in self._clients)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """The load goes on inside; afterwards every request has its answer."""
        async with asyncio.TaskGroup() as group:
            for client in self._clients:
                group.create_task(self._post(client))
            try:
                yield
            finally:
                self._stopping = True

    async def _post(self, client: LedgerClient) -> None:
        due = monotonic()
        async with client:
            while not self._stopping:
                number = next(self._numbers)
                await client.predict(f"load-{number:07d}", [self._records[number % len(self._records)]])
                due += self._every
                await pause(max(0.0, due - monotonic()))
