"""Who asks, what he asks, and how he hears."""

import logging
from typing import NamedTuple, Protocol

from services.serving.decode import Ask
from services.serving.live import Live
from services.serving.predict import Answer
from shared.spine.problems import Problem

log = logging.getLogger(__name__)


class Asker(Protocol):
    """Who asked."""

    def admit(self) -> None:
        """Count one request; raises Problem for one too many."""

    def answered(self, body: bytes | None) -> None:
        """Take the answer; None, with nothing done, where the usual way has to say more or to wait."""

    def failed(self, answer: Answer) -> None:
        """Take an answer that says what went wrong."""


class One(NamedTuple):
    """A request that can be read."""

    live: Live
    ask: Ask
    started: float
    asker: Asker


def tell(one: One, body: bytes | None) -> None:
    """Give somebody his answer; that he is gone is no fault of those behind him."""
    try:
        one.asker.answered(body)
    except Exception:
        log.exception("an answer could not be sent")


def admitted(one: One) -> bool:
    """Count one request; False for one too many."""
    try:
        one.asker.admit()
    except Problem:
        return False
    return True
