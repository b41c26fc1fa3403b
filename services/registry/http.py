"""What every route of the registry needs: its parts, who calls, bounded bodies."""

from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Request, Response
from fastapi import Path as InPath
from fastapi.routing import APIRoute
from starlette.requests import ClientDisconnect
from starlette.types import Message

from services.registry.packages import Packages
from services.registry.standing import Standing, load_standing
from shared.spine.auth import LOCAL, Caller
from shared.spine.clock import Clock
from shared.spine.db import Database
from shared.spine.errors import TransientError
from shared.spine.http import authenticated, require
from shared.spine.problems import Problem
from shared.strict_json import parse_json

T = TypeVar("T")
TRIES = 3
BODY_BYTES = 512 * 1024


@dataclass(frozen=True)
class Parts:
    """What the routes work with; `app.py` builds it."""

    db: Database
    clock: Clock
    packages: Packages
    uploads: Path
    upload_bytes: int


def _parts(request: Request) -> Parts:
    parts: Parts = request.app.state.registry
    return parts


PartsOf = Annotated[Parts, Depends(_parts)]
Reader = Annotated[Caller, Depends(authenticated)]
Operator = Annotated[Caller, Depends(require("operator"))]
Approver = Annotated[Caller, Depends(require("approver"))]
Reviewer = Annotated[Caller, Depends(require("reviewer"))]
Publisher = Annotated[Caller, Depends(require("publisher"))]
UseCaseName = Annotated[str, InPath(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
PackageDigest = Annotated[str, InPath(pattern=r"^[0-9a-f]{64}$")]


def signature(caller: Caller, said: str | None = None) -> str:
    """Who stands in the ledger: the key's name when there is one; what the caller says of themselves comes after it."""
    if caller is LOCAL:
        return said or caller.name
    return f"{caller.name} ({said})" if said else caller.name


async def standing_of(parts: Parts, use_case: str) -> Standing:
    """What stands for this use case; raises Problem 404."""
    standing = await load_standing(parts.db, use_case)
    if standing is None:
        raise Problem(404, f"there is no use case {use_case}: apply its contract first", use_case=use_case)
    return standing


async def chunks(request: Request, limit: int) -> AsyncIterator[bytes]:
    """The body, piece by piece; raises Problem 413 once it is longer than `limit` bytes."""
    announced = request.headers.get("content-length", "0")
    total = int(announced) if announced.isascii() and announced.isdigit() else 0
    if total > limit:
        raise Problem(413, f"the body has {total} bytes, the limit is {limit}", limit=limit)
    total = 0
    try:
        async for chunk in request.stream():
            total += len(chunk)
            if total > limit:
                raise Problem(413, f"the body is longer than the limit of {limit} bytes", limit=limit)
            yield chunk
    except ClientDisconnect as gone:
        raise Problem(400, "the connection was closed before the body was complete") from gone


class BoundedRoute(APIRoute):
    """A route whose body is read here, at most `BODY_BYTES` of it, and refused if it is ambiguous JSON."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap the handler."""
        handler = super().get_route_handler()
        # A contract is read as YAML, which says the line of a key that stands twice.
        is_json = self.body_field is not None

        async def bounded(request: Request) -> Response:
            raw = b"".join([chunk async for chunk in chunks(request, BODY_BYTES)])
            if is_json and raw:
                _check_unambiguous(raw)

            async def receive() -> Message:
                return {"type": "http.request", "body": raw, "more_body": False}

            return await handler(Request(request.scope, receive))

        return bounded


def _check_unambiguous(raw: bytes) -> None:
    try:
        parse_json(raw)
    except ValueError as error:
        raise Problem(422, f"the body is not strict JSON: {error}"[:500], field="body") from error


async def body_text(request: Request) -> str:
    """The body as text; raises Problem 422."""
    try:
        return (await request.body()).decode("utf-8")
    except UnicodeDecodeError as error:
        raise Problem(422, f"the body is not UTF-8: {error.reason} at byte {error.start}") from error


async def until_settled(act: Callable[[], Awaitable[T]]) -> T:
    """Try an act again when another came between; after that the caller hears 503."""
    for _ in range(TRIES - 1):
        try:
            return await act()
        except TransientError:
            continue
    return await act()
