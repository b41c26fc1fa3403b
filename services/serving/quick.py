"""Answers a small prediction in the very turn in which it arrives; everything else goes uvicorn's usual way.

A parser, a task, an event, two messages and two timers for each request cost more than the prediction does.
"""

from http import HTTPStatus

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from services.serving.front import Front
from services.serving.heads import END, LONGEST, read_head
from services.serving.predict import Answer
from shared.spine.clock import monotonic

# What this module touches of a connection; where a later uvicorn has it no more, its own way is good enough.
_TOUCHED = ("data_received", "on_message_begin", "on_message_complete", "timeout_keep_alive_handler", "shutdown")


class Quick(HttpToolsProtocol):
    """One connection; `waiting` is a whole request that is to be answered in this turn."""

    front: Front
    waiting: bytes | None = None
    # What came after it, for when it is answered.
    held = b""
    name = ""
    # Whether the parser is amid a message.
    amid = False
    ends = False
    quiet_since = 0.0
    head_of: tuple[object, object, bytes] = (None, None, b"")

    def data_received(self, data: bytes) -> None:
        if self.waiting is not None:
            # He has not waited for his answer.
            self.front.finish_turn()
        if self.waiting is not None:
            self.held += data
            self.transport.pause_reading()
        elif not self._at_once(data):
            super().data_received(data)

    def on_message_begin(self) -> None:
        self.amid = True
        super().on_message_begin()

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self.amid = False

    def shutdown(self) -> None:
        # What has arrived is answered first.
        if self.waiting is not None:
            self.ends = True
        else:
            super().shutdown()

    def timeout_keep_alive_handler(self) -> None:
        left = self.quiet_since + self.timeout_keep_alive - monotonic()
        if left > 0 or self.waiting is not None:
            self._watch(max(left, 0.1))
        else:
            super().timeout_keep_alive_handler()

    def _at_once(self, data: bytes) -> bool:
        end = data.find(END, 0, LONGEST) + len(END)
        if end < len(END) or not self._free():
            return False
        head = read_head(data[:end])
        if head is None or len(data) - end != head.length:
            return False
        self.waiting = data
        if not self.front.at_once(self, head, data[end:], alone=len(self.connections) == 1):
            self.waiting = None
            return False
        return True

    def _free(self) -> bool:
        before = self.cycle
        done = before is None or before.response_complete
        return done and not (self.amid or self.pipeline or self.flow.write_paused)

    def admit(self) -> None:
        """Count this request; raises Problem 429."""
        self.front.throttle.check(self.name, monotonic())

    def answered(self, body: bytes | None) -> None:
        """Send the answer; None: begin anew, and go the usual way."""
        if body is not None:
            self._send(Answer(200, body))
            return
        data, self.waiting = self.waiting, None
        if data and not self.transport.is_closing():
            super().data_received(data)
            self._go_on()
            if self.ends:
                super().shutdown()

    def failed(self, answer: Answer) -> None:
        """Say that something failed when it was already written down."""
        self._send(answer)

    def _send(self, answer: Answer) -> None:
        self.waiting = None
        if self.transport.is_closing():
            return
        self.transport.write(b"%b%d\r\n\r\n%b" % (self._head(answer), len(answer.body), answer.body))
        self.server_state.total_requests += 1
        self.quiet_since = monotonic()
        if self.ends:
            self.transport.close()
            return
        if self.timeout_keep_alive_task is None:
            self._watch(self.timeout_keep_alive)
        self._go_on()

    def _go_on(self) -> None:
        if self.held:
            data, self.held = self.held, b""
            self.transport.resume_reading()
            self.data_received(data)

    def _watch(self, seconds: float) -> None:
        """One timer for many answers: moving it each time costs more than looking anew when it fires."""
        self.timeout_keep_alive_task = self.loop.call_later(seconds, self.timeout_keep_alive_handler)

    def _head(self, answer: Answer) -> bytes:
        """All but the length; uvicorn makes new headers every second, and most answers are alike."""
        headers, kind = self.server_state.default_headers, answer[2:] + answer[:1]
        if self.head_of[0] is not headers or self.head_of[1] != kind:
            more = [(name.encode(), value.encode()) for name, value in answer.headers]
            lines = [b"HTTP/1.1 %d %b" % (answer.status, HTTPStatus(answer.status).phrase.encode())]
            lines += [b"%b: %b" % each for each in ((b"content-type", answer.content_type.encode()), *headers, *more)]
            self.head_of = headers, kind, b"\r\n".join((*lines, b"content-length: "))
        return self.head_of[2]


def protocol_of(front: Front) -> type[HttpToolsProtocol] | str:
    """Return what uvicorn is to speak HTTP with."""
    if not all(hasattr(HttpToolsProtocol, name) for name in _TOUCHED):
        return "httptools"
    return type("QuickOfFront", (Quick,), {"front": front})
