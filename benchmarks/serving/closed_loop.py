"""A load generator of ours: connections that each wait for their answer; counts, times and checks every one."""

import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

import httptools

from shared.spine.clock import monotonic


class Connection(asyncio.Protocol):
    """One keep-alive connection; at most one request is under way."""

    def __init__(self) -> None:
        self._waiting: asyncio.Future[tuple[int, bytes]] | None = None
        self._begin()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio."""
        # uvloop's transport is no subclass of asyncio's.
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by asyncio."""
        if self._waiting and not self._waiting.done():
            self._waiting.set_exception(ConnectionError(f"closed before the answer: {exc!r}"))

    def data_received(self, data: bytes) -> None:
        """Called by asyncio."""
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        """Called by httptools."""
        self._body.append(body)

    def on_message_complete(self) -> None:
        """Called by httptools."""
        waiting, self._waiting = self._waiting, None
        answer = (self._parser.get_status_code(), b"".join(self._body))
        # A parser that keeps alive by itself would hold the state of the message before.
        self._begin()
        if waiting and not waiting.done():
            waiting.set_result(answer)

    def ask(self, request: bytes) -> "asyncio.Future[tuple[int, bytes]]":
        """Send a whole request; the future gives status and body."""
        self._waiting = asyncio.get_running_loop().create_future()
        if self._transport.is_closing():
            self._waiting.set_exception(ConnectionError("closed before the request"))
        else:
            self._transport.write(request)
        return self._waiting

    @property
    def closed(self) -> bool:
        """Whether the other side has hung up, or we have."""
        return self._transport.is_closing()

    def close(self) -> None:
        """Hang up."""
        self._transport.close()

    def _begin(self) -> None:
        self._body: list[bytes] = []
        self._parser = httptools.HttpResponseParser(self)


async def connect(host: str, port: int) -> Connection:
    """Open a connection; raises OSError."""
    _, protocol = await asyncio.get_running_loop().create_connection(Connection, host, port)
    return protocol


def request_of(host: str, path: str, body: bytes, content_type: str = "application/json") -> bytes:
    """A POST as bytes."""
    head = [f"POST {path} HTTP/1.1", f"host: {host}", f"content-type: {content_type}", f"accept: {content_type}"]
    head.append(f"content-length: {len(body)}")
    return "\r\n".join([*head, "", ""]).encode() + body


def read_bodies(path: Path) -> list[bytes]:
    """Read what `load.write_bodies` wrote."""
    with path.open("rb") as file:
        return [file.read(int(length) + 1)[:-1] for length in iter(file.readline, b"")]


@dataclass
class Seen:
    """What was measured."""

    milliseconds: list[float] = field(default_factory=list)
    failed: int = 0

    def percentile(self, share: float) -> float:
        """The latency that this share of all answers did not exceed."""
        ordered = sorted(self.milliseconds)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


async def _post(host: str, port: int, requests: Sequence[bytes], first: int, deadline: float, seen: Seen) -> None:
    connection = await connect(host, port)
    place = first
    while (begun := monotonic()) < deadline:
        try:
            status, _ = await connection.ask(requests[place % len(requests)])
            good = status == 200
        except OSError:
            good = False
            connection = await connect(host, port)
        seen.milliseconds.append((monotonic() - begun) * 1000)
        seen.failed += not good
        place += 1
    connection.close()


async def run(url: str, bodies: Path, connections: int, seconds: float, content_type: str) -> Seen:
    """Load an address for so many seconds."""
    address = urlsplit(url)
    assert address.hostname
    assert address.port
    requests = [request_of(address.netloc, address.path, body, content_type) for body in read_bodies(bodies)]
    seen, deadline = Seen(), monotonic() + seconds
    async with asyncio.TaskGroup() as group:
        for number in range(connections):
            first = number * len(requests) // connections
            group.create_task(_post(address.hostname, address.port, requests, first, deadline, seen))
    return seen


def main() -> None:
    """URL BODIES CONNECTIONS SECONDS CONTENT_TYPE; prints one line of JSON."""
    import uvloop

    url, bodies, connections, seconds, content_type = sys.argv[1:]
    begun = monotonic()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        seen = runner.run(run(url, Path(bodies), int(connections), float(seconds), content_type))
    print(
        json.dumps(
            {
                "requests": len(seen.milliseconds),
                "seconds": monotonic() - begun,
                "p50_ms": seen.percentile(0.5),
                "p99_ms": seen.percentile(0.99),
                "failed": seen.failed,
            }
        )
    )


if __name__ == "__main__":
    main()
