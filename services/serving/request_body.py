"""The body of a request: whether it is what is taken here, and all of it, within its limits of size and time."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Generator, MutableMapping, Sequence
from types import coroutine
from typing import Any

from services.serving.forms import JSON
from shared.spine.problems import Problem

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
BODY_SECONDS = 15.0


class GoneError(Exception):
    """The client went away."""


def check_type(headers: dict[bytes, bytes], media: Sequence[str] = (JSON,)) -> None:
    """Raise Problem 415 for a body that says it is something else, or packed."""
    kind, _, parameters = headers.get(b"content-type", b"application/json").decode("latin-1").lower().partition(";")
    charset = parameters.partition("charset=")[2].strip(' "') or "utf-8"
    if kind.strip() not in media or charset not in ("utf-8", "utf8"):
        said = f"the body must be {' or '.join(media)}, text in UTF-8"
        raise Problem(415, said, field="content-type", allowed=list(media))
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
