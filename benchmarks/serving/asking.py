"""Clients of the soak: each keeps a connection to every replica, may ask again elsewhere, and remembers what it saw."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import msgspec

from benchmarks.serving.closed_loop import Connection, connect, request_of
from headrace.ports import LOOPBACK
from shared.spine.clock import monotonic

ANSWER_SECONDS = 15.0


class Said(msgspec.Struct, frozen=True):
    """What of an answer matters here."""

    request_id: str
    release: int
    version: str


@dataclass(frozen=True)
class Answered:
    """One request with its end: a status for each try, 0 where nobody answered."""

    begun: float
    ended: float
    statuses: tuple[int, ...]
    said: Said | None


_SAID = msgspec.json.Decoder(Said)


@dataclass
class Client:
    """One request at a time. With several ports a request that fails goes once more, to the next replica."""

    path: str
    ports: Sequence[int]
    connections: dict[int, Connection] = field(default_factory=dict)

    async def ask(self, body: bytes, first: int = 0) -> Answered:
        """Send a body until it is answered, at most once to each replica."""
        begun, statuses, said = monotonic(), [], None
        for offset in range(len(self.ports)):
            status, answer = await self._once(self.ports[(first + offset) % len(self.ports)], body)
            statuses.append(status)
            if status == 200:
                said = _SAID.decode(answer)
                break
        return Answered(begun, monotonic(), tuple(statuses), said)

    def close(self) -> None:
        """Hang up everywhere."""
        for connection in self.connections.values():
            connection.close()

    async def _once(self, port: int, body: bytes) -> tuple[int, bytes]:
        request = request_of(f"{LOOPBACK}:{port}", self.path, body)
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                connection = self.connections.get(port)
                # A connection that was closed while nobody used it says nothing about the replica of now.
                if connection is None or connection.closed:
                    connection = self.connections[port] = await connect(LOOPBACK, port)
                return await connection.ask(request)
        except (OSError, TimeoutError):
            if broken := self.connections.pop(port, None):
                broken.close()
            return 0, b""


@dataclass
class Load:
    """Clients that ask so many times a second together (0: as fast as answers come), each about a body in turn."""

    path: str
    ports: Sequence[int]
    bodies: Iterator[tuple[int, bytes]]
    seen: Callable[[Answered], None]
    clients: int = 8
    rate: float = 0.0
    stopping: bool = False

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """The load goes on inside; afterwards every request has its end."""
        async with asyncio.TaskGroup() as group:
            for _ in range(self.clients):
                group.create_task(self._go_on())
            try:
                yield
            finally:
                self.stopping = True

    async def until_done(self) -> None:
        """Ask about every body; ends when there is none left."""
        async with asyncio.TaskGroup() as group:
            for _ in range(self.clients):
                group.create_task(self._go_on())

    async def _go_on(self) -> None:
        client, due = Client(self.path, self.ports), monotonic()
        for number, body in self.bodies:
            self.seen(await client.ask(body, number))
            if self.rate:
                due += self.clients / self.rate
                await asyncio.sleep(max(0.0, due - monotonic()))
            if self.stopping:
                break
        client.close()
