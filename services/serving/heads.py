"""PURE: the head of an HTTP request that asks for a prediction; what was read once is known when it comes again."""

import re
from functools import lru_cache
from typing import NamedTuple

import httptools

from services.serving.request_body import check_type
from shared.spine.problems import Problem

_PREDICT = re.compile(rb"/v1/([a-z][a-z0-9_]{0,63})/predict")
# A client repeats its head with each request, but for the length of the body.
KEPT_HEADS = 1024
# A longer one may be good, and is read the usual way.
LONGEST = 2048
END = b"\r\n\r\n"


class Head(NamedTuple):
    """What a plain request says before its body of `length` bytes."""

    use_case: str
    authorization: str
    length: int


class _Reader:
    """Takes what the parser finds."""

    def __init__(self) -> None:
        self.url = b""
        self.headers: list[tuple[bytes, bytes]] = []
        self.complete = False

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        self.complete = True


@lru_cache(KEPT_HEADS)
def read_head(content: bytes) -> Head | None:
    """Return what a head says, up to and with its empty line; None for anything that is not a plain prediction."""
    reader = _Reader()
    parser = httptools.HttpRequestParser(reader)
    try:
        parser.feed_data(content)
    except (httptools.HttpParserError, httptools.HttpParserUpgrade):
        return None
    asked, headers = _PREDICT.fullmatch(reader.url), dict(reader.headers)
    plain = parser.get_method() == b"POST" and parser.get_http_version() == "1.1" and parser.should_keep_alive()
    if not (reader.complete and asked and plain) or parser.should_upgrade() or b"expect" in headers:
        return None
    length = headers.get(b"content-length", b"0")
    if not length.isdigit() or int(length) == 0 or b"transfer-encoding" in headers:
        return None
    try:
        check_type(headers)
    except Problem:
        return None
    return Head(asked[1].decode(), headers.get(b"authorization", b"").decode("latin-1"), int(length))
