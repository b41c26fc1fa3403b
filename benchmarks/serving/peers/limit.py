"""The limit in Python: a bare asyncio.Protocol, httptools, msgspec and the compiled model; no feature of ours.

Arguments: package directory, port.
"""

import asyncio
import sys
from pathlib import Path
from typing import Any, cast

import httptools
import msgspec
import uvloop

from shared.package.compiled.runtime import load_compiled
from shared.package.manifest import read_manifest

_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b"


class Limit:
    """From a body to an answer, as little as can be done."""

    def __init__(self, package: Path) -> None:
        manifest = read_manifest(package)
        self._scorer = load_compiled(package, manifest)
        self._numbers = [one.name for one in manifest.features if one.type == "number"]
        self._texts = [one.name for one in manifest.features if one.type == "category"]
        fields = [(name, float | None, None) for name in self._numbers]
        fields += [(name, str | None, None) for name in self._texts]  # type: ignore[misc]
        record = msgspec.defstruct("Record", fields, gc=False)
        self._json = msgspec.json.Decoder(msgspec.defstruct("Asked", [("records", list[record])]))  # type: ignore[valid-type]
        self._encode = msgspec.json.Encoder().encode

    def answer(self, body: bytes) -> bytes:
        """Score the records of a body."""
        records: list[Any] = self._json.decode(body).records
        if len(records) == 1:
            values, split = msgspec.structs.astuple(records[0]), len(self._numbers)
            scores = [self._scorer.score_row(values[:split], values[split:])[0]]
        else:
            columns = zip(*map(msgspec.structs.astuple, records), strict=True)
            found = self._scorer.score_array(dict(zip((*self._numbers, *self._texts), columns, strict=True)))
            scores = found[:, 0].tolist()
        return self._encode({"scores": scores})


class Connection(asyncio.Protocol):
    """One keep-alive connection."""

    def __init__(self, limit: Limit) -> None:
        self._limit = limit
        self._body: list[bytes] = []
        self._parser = httptools.HttpRequestParser(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio."""
        # uvloop's transport is no subclass of asyncio's.
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Called by asyncio."""
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        """Called by httptools."""
        self._body.append(body)

    def on_message_complete(self) -> None:
        """Called by httptools."""
        body, self._body = b"".join(self._body), []
        answer = self._limit.answer(body)
        self._transport.write(_HEAD % (len(answer), answer))


async def main(package: Path, port: int) -> None:
    """Serve until ended."""
    limit = Limit(package)
    server = await asyncio.get_running_loop().create_server(lambda: Connection(limit), "127.0.0.1", port, backlog=2048)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(Path(sys.argv[1]), int(sys.argv[2])))
