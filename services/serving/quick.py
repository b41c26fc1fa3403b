"""Answers a small prediction in the very call in which its last byte arrives; everything else goes uvicorn's usual way.

A task, an event, two messages and a timer for each request cost more than the prediction does.
"""

import re

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from services.serving.front import Front

_PREDICT = re.compile(rb"/v1/([a-z][a-z0-9_]{0,63})/predict")
_PHRASES = {200: "OK", 500: "Internal Server Error"}
# What this module touches of a connection; where a later uvicorn has it no more, its own way is good enough.
_TOUCHED = ("data_received", "on_headers_complete", "on_body", "on_message_complete", "on_response_complete")


class Quick(HttpToolsProtocol):
    """One connection; `collected` is the body of a request that may be answered at once."""

    front: Front
    collected: bytearray | None = None
    use_case = ""

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.collected is not None:
            # The rest is still to come, and may be long in coming: that is what a task is for.
            self._go_the_usual_way()

    def on_headers_complete(self) -> None:
        asked = _PREDICT.fullmatch(self.url)
        if asked is None or not self._free():
            super().on_headers_complete()
            return
        self.use_case, self.collected = asked[1].decode(), bytearray()

    def on_body(self, body: bytes) -> None:
        if self.collected is None:
            super().on_body(body)
            return
        self.collected += body

    def on_message_complete(self) -> None:
        if self.collected is not None and not self._answered(bytes(self.collected)):
            self._go_the_usual_way()
        if self.collected is None:
            super().on_message_complete()
        self.collected = None

    def _free(self) -> bool:
        parser, before = self.parser, self.cycle
        plain = parser.get_method() == b"POST" and parser.get_http_version() == "1.1"
        waits = self.expect_100_continue or parser.should_upgrade() or self.flow.write_paused
        return plain and not waits and not self.pipeline and (before is None or before.response_complete)

    def _go_the_usual_way(self) -> None:
        body, self.collected = self.collected, None
        if not self.transport.is_closing():
            super().on_headers_complete()
            if body:
                super().on_body(bytes(body))

    def _answered(self, body: bytes) -> bool:
        answer = self.front.at_once(self.client, self.use_case, self.headers, body)
        if answer is None:
            return False
        said = answer.body
        head = f"HTTP/1.1 {answer.status} {_PHRASES[answer.status]}\r\ncontent-type: {answer.content_type}\r\n"
        lines = [head.encode(), b"content-length: %d\r\n" % len(said)]
        lines += [b"%b: %b\r\n" % header for header in self.server_state.default_headers]
        keep_alive = self.parser.should_keep_alive()
        lines.append(b"\r\n" if keep_alive else b"connection: close\r\n\r\n")
        self.transport.write(b"".join((*lines, said)))
        if not keep_alive:
            self.transport.close()
        self.on_response_complete()
        return True


def protocol_of(front: Front) -> type[HttpToolsProtocol] | str:
    """Return what uvicorn is to speak HTTP with."""
    if not all(hasattr(HttpToolsProtocol, name) for name in _TOUCHED):
        return "httptools"
    return type("QuickOfFront", (Quick,), {"front": front})
