"""The ASGI app in front: answers predict and outcomes itself, and hands everything else to BentoML's app behind it."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any, Protocol

from prometheus_client import CONTENT_TYPE_LATEST

from services.serving.arrow_body import ARROW
from services.serving.asking import Asker, One
from services.serving.exposition import render_metrics
from services.serving.faults import CONTENT_TYPE, problem_body
from services.serving.forms import JSON, reader_for
from services.serving.heads import Head
from services.serving.health import Health
from services.serving.inference_protocol import OPEN, Asked, InferenceProtocol, in_v2, read_path
from services.serving.metrics import TALLY
from services.serving.openapi import document
from services.serving.outcomes import Outcomes
from services.serving.parity import Parity
from services.serving.predict import Answer, Predictor, failed_inside
from services.serving.request_body import GoneError, check_type, read_body
from services.serving.together import Turn
from shared.spine.auth import ApiKeys, Caller, check_role
from shared.spine.clock import monotonic
from shared.spine.problems import Problem, headers_of
from shared.spine.throttle import Throttle, client_of

log = logging.getLogger(__name__)

Scope = MutableMapping[str, Any]

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class Asking(Asker, Protocol):
    """Who asks, from which address, and by which name the throttle counts him."""

    client: tuple[str, int] | None
    name: str


_PATHS = [
    *("POST /v1/{use_case}/predict", "POST /v1/{use_case}/outcomes"),
    *("GET /v1/{use_case}/parity", "GET /v1/status", "GET /v2"),
]
_BINARY = b"inference-header-content-length"
TWIN = "/predict"


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
    parity: Parity

    def __post_init__(self) -> None:
        self._inference = InferenceProtocol(self.predictor, self.health)
        self._turn = Turn(self.predictor)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One connection or request."""
        if scope["type"] != "http":
            await self.behind(scope, receive, send)
            return
        path: str = scope["path"]
        if path.startswith(("/v1/", "/v2/")) or path == "/v2":
            try:
                answer = await (self._v1(path[4:], scope, receive) if path[2] == "1" else self._v2(scope, receive))
            except GoneError:
                return
            except Exception:
                answer = failed_inside(path)
            await respond(send, answer, body=scope["method"] != "HEAD")
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
                receive = _again(await self._admit(scope, dict(scope["headers"]), receive))
            except GoneError:
                return
            except Problem as problem:
                await respond(send, _refusal(problem))
                return
        await self.behind(scope, receive, send)

    async def _admit(self, scope: Scope, headers: dict[bytes, bytes], receive: Receive, *media: str) -> bytes:
        """Return the body of a request that changes something; raises Problem for one that may not be."""
        _check_method(scope, "POST")
        check_role(self._caller(scope, headers), "publisher")
        check_type(headers, (JSON, *media))
        return await read_body(headers, receive, self.body_bytes)

    def _caller(self, scope: Scope, headers: dict[bytes, bytes]) -> Caller:
        """Who calls, counted by name; raises Problem 429, or 401 for a stranger, who is counted by address."""
        shown = headers.get(b"authorization", b"").decode("latin-1")
        try:
            caller = self.keys.caller(shown)
        except Problem:
            self.throttle.check(client_of(scope, self.keys, shown), monotonic())
            raise
        client = f"key {caller.name}" if self.keys.configured else client_of(scope, self.keys, shown)
        self.throttle.check(client, monotonic())
        return caller

    def at_once(self, asked: Asking, head: Head, body: bytes, *, alone: bool) -> bool:
        """Answer a prediction in this turn of the event loop; False, with nothing done, for what takes the usual way.

        `alone`: nobody else can ask in this turn.
        """
        started = monotonic()
        try:
            caller = check_role(self.keys.caller(head.authorization), "publisher")
        except Problem:
            return False
        if self.keys.configured:
            asked.name = f"key {caller.name}"
        elif not asked.name:
            asked.name = client_of({"client": asked.client}, self.keys, None)
        found = self.predictor.read(head.use_case, body)
        if found is None:
            return False
        self._turn.add(One(*found, started, asked), alone=alone)
        return True

    def finish_turn(self) -> None:
        """Answer all who wait for the end of this turn."""
        self._turn.answer()

    async def _v1(self, path: str, scope: Scope, receive: Receive) -> Answer:
        try:
            use_case, _, verb = path.partition("/")
            if path == "status":
                _check_method(scope, "GET")
                return Answer(200, json.dumps(self.health.status()).encode())
            if verb not in ("predict", "outcomes", "parity"):
                raise Problem(404, f"there is nothing at /v1/{path[:100]}", allowed=_PATHS)
            headers: dict[bytes, bytes] = dict(scope["headers"])
            if verb == "parity":
                _check_method(scope, "GET")
                self._caller(scope, headers)
                return Answer(200, json.dumps(await self.parity.document(self.predictor.live_of(use_case))).encode())
            body = await self._admit(scope, headers, receive, *(ARROW,) * (verb == "predict"))
            self._check_begun(use_case)
        except Problem as problem:
            return await self._refuse(use_case, verb, problem)
        if verb == "predict":
            return await self.predictor.answer(use_case, body, reader_for(headers))
        return await self.outcomes.answer(use_case, body)

    async def _v2(self, scope: Scope, receive: Receive) -> Answer:
        asked = Asked()
        headers: dict[bytes, bytes] = dict(scope["headers"])
        try:
            asked = read_path(scope["path"])
            if scope["method"] in ("GET", "HEAD"):
                if asked not in OPEN:
                    self._caller(scope, headers)
                return self._inference.look(asked)
            if asked.verb != "infer":
                raise Problem(405, f"{scope['method']} is not allowed here", allowed=["GET"])
            body = await self._admit(scope, headers, receive, *("application/octet-stream",) * (_BINARY in headers))
            self._check_begun(asked.model)
        except Problem as problem:
            return in_v2(await self._refuse(asked.model, "predict" if asked.verb == "infer" else "", problem))
        return await self._inference.infer(asked, body, headers.get(_BINARY))

    async def _refuse(self, use_case: str, verb: str, problem: Problem) -> Answer:
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
            TALLY.flush()
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


def _again(body: bytes) -> Receive:
    """Give a body that was read to whoever comes next."""

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


def _check_method(scope: Scope, allowed: str) -> None:
    if scope["method"] != allowed:
        raise Problem(405, f"{scope['method']} is not allowed here", allowed=[allowed])


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
