"""What is FastAPI's of errors, keys and limits: serving answers without it, and starts sooner."""

import errno
import logging
from collections.abc import Callable
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from shared.spine.auth import ApiKeys, Caller, check_role
from shared.spine.clock import monotonic
from shared.spine.errors import TransientError
from shared.spine.key_file import Role
from shared.spine.problems import MEDIA_TYPE, Problem, headers_of
from shared.spine.throttle import Throttle, client_of

log = logging.getLogger(__name__)
_STORAGE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO}
ALWAYS_ANSWERED = ("/healthz", "/readyz")


def install(app: FastAPI) -> None:
    """Every error of this app becomes a problem document; nothing of the inside leaks."""

    @app.exception_handler(Problem)
    async def on_problem(_request: Request, problem: Problem) -> JSONResponse:
        return answer(problem)

    @app.exception_handler(HTTPException)
    async def on_http(_request: Request, error: HTTPException) -> JSONResponse:
        return answer(Problem(error.status_code, str(error.detail)), dict(error.headers or {}))

    @app.exception_handler(RequestValidationError)
    async def on_invalid(_request: Request, error: RequestValidationError) -> JSONResponse:
        mistakes = [{"field": _field(item), "message": item["msg"]} for item in error.errors()[:50]]
        detail = "; ".join(f"{m['field']}: {m['message']}" for m in mistakes)[:2000]
        return answer(Problem(422, detail, errors=mistakes))

    @app.exception_handler(TransientError)
    async def on_transient(_request: Request, error: TransientError) -> JSONResponse:
        return answer(Problem(503, str(error)), {"Retry-After": "1"})

    @app.exception_handler(OSError)
    async def on_storage(_request: Request, error: OSError) -> JSONResponse:
        if error.errno not in _STORAGE:
            raise error
        log.error("cannot write: %s", error)
        return answer(Problem(503, f"the service cannot write now: {error.strerror}"), {"Retry-After": "30"})

    @app.exception_handler(Exception)
    async def on_bug(_request: Request, _error: Exception) -> JSONResponse:
        # The error itself goes on to the server's log; the caller learns nothing of the inside.
        return answer(Problem(500, "an error on our side; its details are in the log of the service"))


def _field(mistake: dict[str, Any]) -> str:
    # Broken JSON has a position in the text instead of a field.
    if mistake["type"] == "json_invalid":
        return "body"
    return ".".join(str(part) for part in mistake["loc"][1:]) or "body"


def answer(problem: Problem, headers: dict[str, str] | None = None) -> JSONResponse:
    """The response of a problem."""
    return JSONResponse(
        problem.document(), problem.status, headers_of(problem) | (headers or {}), media_type=MEDIA_TYPE
    )


def authenticated(request: Request) -> Caller:
    """A FastAPI dependency: the caller, whatever their role; raises Problem 401."""
    caller: Caller = request.app.state.api_keys.caller(request.headers.get("authorization"))
    return caller


def require(role: Role) -> Callable[[Request], Caller]:
    """A FastAPI dependency: the caller, who must have this role."""

    def check(request: Request) -> Caller:
        return check_role(authenticated(request), role)

    return check


class ThrottleMiddleware:
    """Refuses before anything is read or parsed; liveness and readiness are always answered."""

    def __init__(self, app: ASGIApp, throttle: Throttle, keys: ApiKeys) -> None:
        self._app, self._throttle, self._keys = app, throttle, keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One connection or request."""
        if scope["type"] == "http" and scope["path"] not in ALWAYS_ANSWERED:
            shown = dict(scope["headers"]).get(b"authorization", b"").decode("latin-1")
            try:
                self._throttle.check(client_of(scope, self._keys, shown), monotonic())
            except Problem as problem:
                await answer(problem)(scope, receive, send)
                return
        await self._app(scope, receive, send)
