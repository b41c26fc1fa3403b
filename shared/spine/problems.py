"""Errors over HTTP: RFC 9457 problem details that name the field and the limit."""

import errno
import logging
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from shared.spine.errors import TransientError

log = logging.getLogger(__name__)
_STORAGE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO}
MEDIA_TYPE = "application/problem+json"
TITLES = {
    400: "Bad request",
    401: "Who are you?",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    409: "Conflict",
    413: "Too large",
    415: "Unsupported media type",
    422: "Cannot be accepted",
    429: "Too many requests",
    500: "Error",
    503: "Not available now",
}


class Problem(Exception):  # noqa: N818  the word of RFC 9457
    """Answers the request with problem details; `more` holds members such as field, limit, allowed."""

    def __init__(self, status: int, detail: str, **more: Any) -> None:
        super().__init__(detail)
        self.status, self.detail, self.more = status, detail, more

    def document(self) -> dict[str, Any]:
        """The body."""
        title = TITLES.get(self.status, "Error")
        return {"type": "about:blank", "title": title, "status": self.status, "detail": self.detail, **self.more}


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


def headers_of(problem: Problem) -> dict[str, str]:
    """The headers that belong to a problem: how to say who you are, when to ask again."""
    if problem.status == 401:
        return {"WWW-Authenticate": "Bearer"}
    seconds = problem.more.get("retry_after_seconds")
    return {} if seconds is None else {"Retry-After": str(seconds)}
