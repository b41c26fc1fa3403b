"""The ASGI app in front: answers predict and outcomes itself, and hands everything else to BentoML's app behind it."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterable, MutableMapping
from dataclasses import dataclass
from types import coroutine
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST

from services.serving.exposition import render_metrics
from services.serving.faults import CONTENT_TYPE, problem_body
from services.serving.health import Health
from services.serving.openapi import document
from services.serving.outcomes import Outcomes
from services.serving.predict import JSON, Answer, Predictor
from shared.spine.auth import ApiKeys, Caller, check_role
from shared.spine.clock import monotonic
from shared.spine.problems import Problem, headers_of
from shared.spine.throttle import Throttle, client_of

log = logging.getLogger(__name__)

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

BODY_SECONDS = 15.0
_PATHS = ["POST /v1/{use_case}/predict", "POST /v1/{use_case}/outcomes", "GET /v1/status"]
TWIN = "/predict"


class GoneError(Exception):
    """The client went away."""


@dataclass
class Front:
    """Dispatches by path; the hot path touches no framework."""

    predictor: Predictor
    outcomes: Outcomes
    health: Health
    keys: ApiKeys
    throttle: Throttle
    body_bytes: int
    behind: App

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One connection or request."""
        if scope["type"] != "http":
            await self.behind(scope, receive, send)
            return
        path: str = scope["path"]
        if path.startswith("/v1/"):
            try:
                answer = await self._v1(path[4:], scope, receive)
            except GoneError:
                return
            except Exception:
                answer = _failed(path)
            await respond(send, answer)
        elif path in ("/healthz", "/readyz", "/metrics") and scope["method"] in ("GET", "HEAD"):
            await respond(send, await self._health(path), body=scope["method"] == "GET")
        elif path == "/docs":
            # Where every other service has its pages; BentoML's are at the root.
            await respond(send, Answer(307, b"", "text/plain", (("location", "/"),)))
        elif path == "/openapi.json" and scope["method"] in ("GET", "HEAD"):
            await respond(send, Answer(200, json.dumps(document()).encode()), body=scope["method"] == "GET")
        else:
            await self._pass_on(scope, receive, send)

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the app behind answer: pages to everybody, its one act under the rules of our own."""
        if scope["method"] not in ("GET", "HEAD"):
            try:
                if scope["path"] != TWIN:
                    raise Problem(
                        404, f"there is nothing to do at {scope['path'][:100]}", allowed=[*_PATHS, f"POST {TWIN}"]
                    )
                receive = _again(await self._admit(scope, receive))
            except GoneError:
                return
            except Problem as problem:
                await respond(send, _refusal(problem))
                return
        await self.behind(scope, receive, send)

    async def _admit(self, scope: Scope, receive: Receive) -> bytes:
        """Return the body of a request that changes something; raises Problem for one that may not be."""
        _check_method(scope, "POST")
        headers: dict[bytes, bytes] = dict(scope["headers"])
        check_role(self._caller(scope, headers.get(b"authorization", b"").decode("latin-1")), "publisher")
        _check_type(headers)
        return await read_body(headers, receive, self.body_bytes)

    def _caller(self, scope: Scope, shown: str) -> Caller:
        """Who calls, counted by name; raises Problem 429, or 401 for a stranger, who is counted by address."""
        try:
            caller = self.keys.caller(shown)
        except Problem:
            self.throttle.check(client_of(scope, self.keys, shown), monotonic())
            raise
        client = f"key {caller.name}" if self.keys.configured else client_of(scope, self.keys, shown)
        self.throttle.check(client, monotonic())
        return caller

    def at_once(
        self, peer: tuple[str, int] | None, use_case: str, headers: Iterable[tuple[bytes, bytes]], body: bytes
    ) -> Answer | None:
        """Answer a prediction in this very call; None, with nothing done, where the usual way has to say more."""
        named = dict(headers)
        shown = named.get(b"authorization", b"").decode("latin-1")
        try:
            caller = check_role(self.keys.caller(shown), "publisher")
            _check_type(named)
        except Problem:
            return None
        client = f"key {caller.name}" if self.keys.configured else client_of({"client": peer}, self.keys, shown)
        try:
            said = self.predictor.at_once(use_case, body, lambda: self.throttle.check(client, monotonic()))
        except Exception:
            return _failed(use_case)
        return Answer(200, said) if said is not None else None

    async def _v1(self, path: str, scope: Scope, receive: Receive) -> Answer:
        try:
            use_case, _, verb = path.partition("/")
            if path == "status":
                _check_method(scope, "GET")
                return Answer(200, json.dumps(self.health.status()).encode())
            if verb not in ("predict", "outcomes"):
                raise Problem(404, f"there is nothing at /v1/{path[:100]}", allowed=_PATHS)
            body = await self._admit(scope, receive)
            self._check_begun(use_case)
        except Problem as problem:
            return await self._refuse(path, problem)
        if verb == "predict":
            return await self.predictor.answer(use_case, body)
        return await self.outcomes.answer(use_case, body)

    async def _refuse(self, path: str, problem: Problem) -> Answer:
        use_case, _, verb = path.partition("/")
        refusal = _refusal(problem)
        if verb == "predict" and problem.status not in (401, 403, 404, 405, 429):
            answer = await self.predictor.refuse(use_case, problem, None)
            return answer._replace(headers=refusal.headers)
        return refusal

    def _check_begun(self, use_case: str) -> None:
        """A worker without its snapshot knows no use case until it has read the releases: later, and not never."""
        serving = self.predictor.serving
        known = use_case in serving.live or use_case in serving.contracts
        if not known and (reasons := self.health.reasons_not_ready()):
            raise Problem(503, f"{use_case[:100]!r} is not known here yet: {reasons[0]}")

    async def _health(self, path: str) -> Answer:
        if path == "/healthz":
            return Answer(200, b'{"status": "alive"}')
        if path == "/metrics":
            return Answer(200, await asyncio.to_thread(render_metrics), CONTENT_TYPE_LATEST)
        reasons = self.health.reasons_not_ready()
        body = {"ready": not reasons, "reasons": reasons, "degraded": self.health.degraded()}
        return Answer(503 if reasons else 200, json.dumps(body).encode())


def _refusal(problem: Problem) -> Answer:
    headers = list(headers_of(problem).items())
    if problem.status == 405:
        headers.append(("allow", problem.more["allowed"][0]))
    if problem.status in (408, 413, 415):
        headers.append(("connection", "close"))  # the rest of the body is not read
    return Answer(problem.status, problem_body(problem), CONTENT_TYPE, tuple(headers))


def _failed(path: str) -> Answer:
    log.exception("a request failed", extra={"path": path[:200]})
    return Answer(500, problem_body(Problem(500, "this request failed inside")), CONTENT_TYPE)


def _again(body: bytes) -> Receive:
    """Give a body that was read to whoever comes next."""

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


def _check_method(scope: Scope, allowed: str) -> None:
    if scope["method"] != allowed:
        raise Problem(405, f"{scope['method']} is not allowed here", allowed=[allowed])


def _check_type(headers: dict[bytes, bytes]) -> None:
    kind, _, parameters = headers.get(b"content-type", b"application/json").decode("latin-1").lower().partition(";")
    charset = parameters.partition("charset=")[2].strip(' "') or "utf-8"
    if kind.strip() != JSON or charset not in ("utf-8", "utf8"):
        raise Problem(415, f"the body must be {JSON} in UTF-8", field="content-type", allowed=[JSON])
    if headers.get(b"content-encoding", b"identity").lower() != b"identity":
        raise Problem(415, "the body must not be encoded", field="content-encoding", allowed=["identity"])


async def read_body(headers: dict[bytes, bytes], receive: Receive, limit: int) -> bytes:
    """Return the whole body; raises Problem 413 beyond `limit` bytes, 408 when it does not come, GoneError."""
    announced = headers.get(b"content-length", b"0")
    if not announced.isdigit():
        raise Problem(400, "content-length is not a number", field="content-length")
    too_large = Problem(413, f"the body may have {limit} bytes", field="body", limit=limit)
    if int(announced) > limit:
        raise too_large
    message = await _next(receive)
    body: bytes = message.get("body", b"")
    if message.get("more_body"):
        body = await _rest(bytearray(body), receive, limit, too_large)
    if len(body) > limit:
        raise too_large
    if not body:
        raise Problem(400, "the body is empty", field="body")
    return body


async def _rest(body: bytearray, receive: Receive, limit: int, too_large: Problem) -> bytes:
    more = True
    while more:
        if len(body) > limit:
            raise too_large
        message = await _next(receive)
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return bytes(body)


async def _next(receive: Receive) -> Message:
    begun = receive()
    if not isinstance(begun, Coroutine):
        return await _in_time(begun)
    try:
        waits_for = begun.send(None)
    except StopIteration as done:
        # Most bodies are there already: no timer need be set for them.
        return _unless_gone(done.value)
    return await _in_time(_resumed(begun, waits_for))


@coroutine
def _resumed(begun: Coroutine[Any, Any, Message], waits_for: Any) -> Generator[Any, Any, Message]:
    """What is left of a coroutine after its first step."""
    try:
        yield waits_for
    except BaseException as error:
        begun.throw(error)
        raise
    message: Message = yield from begun
    return message


async def _in_time(coming: Awaitable[Message]) -> Message:
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return _unless_gone(await coming)
    except TimeoutError:
        raise Problem(408, f"the body did not come within {BODY_SECONDS:g} s", limit=BODY_SECONDS) from None


def _unless_gone(message: Message) -> Message:
    if message["type"] == "http.disconnect":
        raise GoneError
    return message


async def respond(send: Send, answer: Answer, *, body: bool = True) -> None:
    """Send a whole answer."""
    headers = [
        (b"content-type", answer.content_type.encode()),
        (b"content-length", b"%d" % len(answer.body)),
    ]
    for name, value in answer.headers:
        headers.append((name.encode(), value.encode()))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body if body else b""})
