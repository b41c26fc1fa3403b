"""A prediction that is answered in the call in which it arrives is answered as it is on the usual way."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path

import pytest
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from services.serving import quick
from services.serving.front import Front, Receive, Scope, Send, respond
from services.serving.predict import Answer
from services.serving.quick import protocol_of
from services.serving.score import Compiled, Scores
from shared.package.compiled.runtime import Asked, OutsideError
from shared.spine.auth import ApiKeys
from shared.spine.throttle import Throttle
from tests.serving.conftest import free_port
from tests.serving.fronts import open_front


class Sure:
    """A compiled form that knows nothing of large numbers."""

    def score(self, columns: Mapping[str, Sequence[object]]) -> Scores:
        if any(size > 9 for size in columns["size"] if size is not None):  # type: ignore[operator]  # toy: numbers
            raise OutsideError("large")
        return [[0.9] for _ in columns["size"]]

    def score_rows(self, rows: Sequence[Asked]) -> list[list[float] | None]:
        return [None if numbers[0] is not None and numbers[0] > 9 else [0.9] for numbers, _ in rows]


SURE = Sure()


async def behind(scope: Scope, receive: Receive, send: Send) -> None:
    """The app behind: says that it was asked."""
    await respond(send, Answer(200, b'{"behind": true}'))


@asynccontextmanager
async def served(
    home: Path, *, keys: Path | None = None, compiled: Compiled | None = SURE
) -> AsyncIterator[tuple[Front, int]]:
    """A front behind a real socket."""
    async with open_front(home, behind, 1024 * 1024, ApiKeys(keys), compiled) as front:
        port = free_port()
        config = uvicorn.Config(
            front, port=port, http=protocol_of(front), lifespan="off", log_config=None, server_header=False
        )
        server = uvicorn.Server(config)
        running = asyncio.create_task(server.serve())
        while not server.started:
            await asyncio.wait([running], timeout=0.005)
        try:
            yield front, port
        finally:
            server.should_exit = True
            await running


def request(body: bytes, *headers: str, version: str = "1.1", length: int | None = None) -> bytes:
    """One request as it stands on the wire."""
    lines = [f"POST /v1/trains/predict HTTP/{version}", "host: x", f"content-length: {length or len(body)}", *headers]
    return "\r\n".join((*lines, "", "")).encode() + body


async def answers(port: int, *pieces: bytes, count: int = 1) -> list[tuple[int, dict[str, str], bytes]]:
    """Send pieces, each when the one before it has surely arrived; return status, headers and body of each answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    never = asyncio.get_running_loop().create_future()
    for piece in pieces:
        writer.write(piece)
        await writer.drain()
        await asyncio.wait([never], timeout=0.05 if len(pieces) > 1 else 0)
    found: list[tuple[int, dict[str, str], bytes]] = []
    async with asyncio.timeout(20):
        while len(found) < count:
            first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
            headers = dict(line.split(": ", 1) for line in lines)
            found.append((int(first.split()[1]), headers, await reader.readexactly(int(headers["content-length"]))))
    writer.close()
    return found


def decided(body: bytes) -> list[tuple[float, str]]:
    """What an answer says, without the ids."""
    return [(each["score"], each["decision"]) for each in json.loads(body)["predictions"]]


async def test_at_once_or_the_usual_way_a_named_request_has_one_answer(tmp_path: Path) -> None:
    body = b'{"request_id": "r", "records": [{"size": 1}, {"size": 2}]}'
    async with served(tmp_path) as (front, port):
        [(status, headers, first)] = await answers(port, request(body))
        whole = request(body)
        for pieces in ((whole[:30], whole[30:]), (whole[:-5], whole[-5:]), (whole[:-1], whole[-1:])):
            assert (await answers(port, *pieces))[0][2] == first
        usual = await front.predictor.answer("trains", body)
    assert (status, usual.body, decided(first)) == (200, first, [(0.9, "review")] * 2)
    assert headers["content-type"] == "application/json"
    assert "date" in headers
    assert front.predictor.journal.ledger.taken.of("trains", "2013-03-01") == {"review": 2}


async def test_what_fails_after_it_was_written_is_an_error_and_not_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with served(tmp_path) as (front, port):
        # Not even asked: what is answered at once needs neither.
        monkeypatch.setattr(front.predictor, "answer", None)
        monkeypatch.setattr(front, "_v1", None)
        assert (await answers(port, request(b'{"record": {}}')))[0][0] == 200
        monkeypatch.setattr(front.predictor, "render", None)
        [(status, headers, body)] = await answers(port, request(b'{"records": [{}, {}]}'))
    assert (status, headers["content-type"]) == (500, "application/problem+json")
    assert json.loads(body)["detail"] == "this request failed inside"
    assert front.predictor.journal.ledger.taken.of("trains", "2013-03-01") == {"review": 3}


async def test_requests_that_come_together_are_answered_in_order(tmp_path: Path) -> None:
    sizes = [1, 9.5, 2, 50, 3]
    bodies = [b'{"request_id": "r%d", "record": {"size": %s}}' % (n, str(s).encode()) for n, s in enumerate(sizes)]
    async with served(tmp_path) as (_, port):
        found = await answers(port, b"".join(map(request, bodies)), count=len(bodies))
    assert [status for status, _, _ in found] == [200] * 5
    assert [json.loads(body)["request_id"] for _, _, body in found] == [f"r{n}" for n in range(5)]
    assert decided(found[1][2]) == [(0.9, "review")], "outside the compiled form: the original answers"
    assert json.loads(found[3][2])["predictions"][0]["flagged"] == ["size"]


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (request(b'{"record": {"sise": 1}}'), 422),
        (request(b"{"), 400),
        (request(b"{}", "content-type: text/plain"), 415),
        (request(b'{"record": {}}', "content-encoding: gzip"), 415),
        (request(b""), 400),
        (request(b'{"record": {}}').replace(b"trains", b"planes"), 404),
        (request(b'{"record": {}}').replace(b"trains", b"..%2fx"), 404),
        (request(b'{"record": {}}').replace(b"POST", b"PUT"), 405),
        (request(b'{"record": {}}').replace(b"content-length: 14", b"content-length: many"), 400),
        (request(b'{"record": {}}', version="1.0"), 200),
        (request(b'{"record": {}}', "connection: close"), 200),
        (request(b'{"record": {"colour": "%s"}}' % (b"x" * 70_000)), 422),
        (request(b" " * 2_000_000), 413),
    ],
)
async def test_what_is_wrong_or_unusual_is_answered_as_before(tmp_path: Path, sent: bytes, status: int) -> None:
    async with served(tmp_path) as (_, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(sent)
        async with asyncio.timeout(20):
            assert int((await reader.readline()).split()[1]) == status
        writer.close()


async def test_who_waits_to_be_asked_for_the_body_is_asked(tmp_path: Path) -> None:
    body = b'{"record": {}}'
    async with served(tmp_path) as (_, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request(b"", "expect: 100-continue", length=len(body)))
        async with asyncio.timeout(20):
            assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
            writer.write(body)
            assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        writer.close()


async def test_keys_and_the_throttle_hold_and_each_request_counts_once(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    lines = [
        {"name": name, "roles": [role], "sha256": sha256(name.encode()).hexdigest()}
        for name, role in (("reader", "viewer"), ("writer", "publisher"))
    ]
    keys.write_text("\n".join(map(json.dumps, lines)))
    async with served(tmp_path, keys=keys) as (front, port):
        front.throttle = Throttle(1.5)
        sent = [request(b'{"record": {}}', f"authorization: Bearer {key}") for key in ["nobody", "reader"]]
        assert [status for status, _, _ in await answers(port, *sent, count=2)] == [401, 403]
        sent = [request(b'{"record": {}}', "authorization: Bearer writer")] * 4
        found = await answers(port, b"".join(sent), count=4)
        assert [status for status, _, _ in found] == [200, 200, 200, 429]
        assert "retry-after" in found[-1][1]


def test_without_what_it_touches_uvicorn_speaks_http_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(quick, "_TOUCHED", ("gone",))
    assert protocol_of(None) == "httptools"  # type: ignore[arg-type]  # never looked at
    monkeypatch.undo()
    assert issubclass(protocol_of(None), HttpToolsProtocol)  # type: ignore[arg-type]


async def test_what_comes_before_the_model_has_answered_is_answered_after_it(tmp_path: Path) -> None:
    bodies = [b'{"request_id": "r%d", "record": {"size": %d}}' % (n, n) for n in range(6)]
    async with served(tmp_path, compiled=None) as (front, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        never = asyncio.get_running_loop().create_future()
        for pieces in (bodies[:1], bodies[1:2], bodies[2:]):
            writer.write(b"".join(map(request, pieces)))
            await writer.drain()
            await asyncio.wait([never], timeout=0.01)
        found = list[str]()
        async with asyncio.timeout(20):
            while len(found) < len(bodies):
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                found.append(json.loads(await reader.readexactly(length))["request_id"])
        writer.close()
    assert found == [f"r{n}" for n in range(6)]
    assert front.predictor.journal.ledger.taken.of("trains", "2013-03-01") == {"review": 6}
