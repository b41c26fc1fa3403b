"""The head of a plain prediction is read once; whatever is not plain is none."""

import pytest

from services.serving.heads import Head, read_head

PLAIN = b"POST /v1/trains/predict HTTP/1.1\r\nHost: x\r\nContent-Length: 14\r\n"


def test_a_plain_head_says_who_is_asked_by_whom_and_how_long_the_body_is() -> None:
    assert read_head(PLAIN + b"\r\n") == Head("trains", "", 14)
    named = PLAIN + b"AUTHORIZATION: Bearer k\r\nContent-Type: application/json; charset=utf-8\r\n\r\n"
    assert read_head(named) == Head("trains", "Bearer k", 14)


@pytest.mark.parametrize(
    "content",
    [
        PLAIN,
        PLAIN.replace(b"POST", b"PUT") + b"\r\n",
        PLAIN.replace(b"1.1", b"1.0") + b"\r\n",
        PLAIN.replace(b"trains", b"..%2fx") + b"\r\n",
        PLAIN.replace(b"predict", b"outcomes") + b"\r\n",
        PLAIN.replace(b"predict", b"predict?x=1") + b"\r\n",
        PLAIN.replace(b": 14", b": 0") + b"\r\n",
        PLAIN.replace(b": 14", b": many") + b"\r\n",
        PLAIN.replace(b"Content-Length: 14\r\n", b"") + b"\r\n",
        PLAIN + b"Content-Length: 15\r\n\r\n",
        PLAIN + b"Transfer-Encoding: chunked\r\n\r\n",
        PLAIN + b"Connection: close\r\n\r\n",
        PLAIN + b"Connection: upgrade\r\nUpgrade: websocket\r\n\r\n",
        PLAIN + b"Expect: 100-continue\r\n\r\n",
        PLAIN + b"Content-Type: text/plain\r\n\r\n",
        PLAIN + b"Content-Encoding: gzip\r\n\r\n",
        PLAIN + b"no colon\r\n\r\n",
        b"\r\n\r\n",
        b"",
    ],
)
def test_anything_else_is_none(content: bytes) -> None:
    assert read_head(content) is None
