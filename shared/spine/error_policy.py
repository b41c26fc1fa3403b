"""What happens when handling a record fails: wait and try again, dead letter, or stop loudly."""

import asyncio
import logging
import sqlite3
from collections.abc import Awaitable, Callable
from typing import Any, Literal

from aiokafka.errors import KafkaError
from faststream import BaseMiddleware
from faststream.exceptions import HandlerException
from pydantic import ValidationError
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from shared.events import MalformedEventError
from shared.events.dead import DeadKind
from shared.spine import metrics, points
from shared.spine.bug_limit import BugLimit
from shared.spine.dead_letters import DeadLetters
from shared.spine.errors import PermanentError, TransientError
from shared.spine.logs import record_context

__all__ = ["ErrorPolicy", "ErrorPolicyMiddleware", "PermanentError", "TransientError", "dead_kind_of", "kind_of"]

log = logging.getLogger(__name__)

FIRST_WAIT_SECONDS = 0.05
LONGEST_WAIT_SECONDS = 5.0
PATIENCE_SECONDS = 60.0
TRIES_OF_A_BUG = 3

# PostgreSQL's SQLSTATE by its beginning: connection lost, rolled back for another's sake, stopped in a transaction, no
# resources, no lock in time, the server is ended or starting, its disk.
_AWAY = ("08", "25P03", "40", "53", "55P03", "57", "58")
_CANNOT_HOLD = "22"

Kind = Literal["transient", "permanent", "bug"]


def kind_of(error: BaseException) -> Kind:
    """Sort an error into one of three kinds."""
    # The driver says most of PostgreSQL's errors only by code, and those of connecting without SQLAlchemy around them.
    said: Any = getattr(error, "orig", None) or error
    state = getattr(said, "sqlstate", None) or ""
    match error:
        case _ if state.startswith(_AWAY):
            return "transient"
        case _ if state.startswith(_CANNOT_HOLD):
            return "permanent"
        case InterfaceError() if isinstance(said.__cause__, ValueError):
            # A value that the driver cannot write: no second try changes it.
            return "permanent"
        case TransientError() | KafkaError() | OperationalError() | InterfaceError() | OSError() | TimeoutError():
            return "transient"
        case sqlite3.OperationalError() | PoolTimeoutError():
            return "transient"
        case DBAPIError() if error.connection_invalidated:
            return "transient"
        case PermanentError() | MalformedEventError() | ValidationError() | UnicodeError():
            return "permanent"
        case _:
            return "bug"


def dead_kind_of(error: BaseException) -> DeadKind:
    """The kind that a dead letter names: what was malformed is told apart from what could be read."""
    if isinstance(error, MalformedEventError):
        return "malformed"
    return "bug" if kind_of(error) == "bug" else "permanent"


class ErrorPolicy:
    """The policy of one service: knows where dead letters go and how many bugs may come in a row."""

    def __init__(self, service: str, dead_letters: DeadLetters, bugs_in_a_row: int = 5) -> None:
        self.service = service
        self.dead_letters = dead_letters
        self.bugs = BugLimit(service, bugs_in_a_row)

    async def run(self, record: Any, handle: Callable[[], Awaitable[Any]]) -> None:
        """Handle one record to its end: done, or dead. Raises only when a transient error outlasts all patience."""
        wait, waited, tries = FIRST_WAIT_SECONDS, 0.0, 0
        with record_context(record):
            while True:
                try:
                    await handle()
                except HandlerException:
                    raise
                except Exception as error:
                    kind = kind_of(error)
                    metrics.SPINE_ERRORS_TOTAL.labels(self.service, record.topic, kind).inc()
                    tries += kind == "bug"
                    if kind == "permanent" or tries >= TRIES_OF_A_BUG:
                        await self._give_up(record, error, kind)
                        return
                    if waited >= PATIENCE_SECONDS:
                        raise
                    log.warning(
                        "will try again", extra={"wait_seconds": wait, "error": repr(error)[:500], "kind": kind}
                    )
                    await asyncio.sleep(wait)
                    waited, wait = waited + wait, min(wait * 2, LONGEST_WAIT_SECONDS)
                else:
                    points.reached(points.AFTER_EFFECT_BEFORE_OFFSET)
                    self.bugs.handled(record.topic)
                    return

    async def _give_up(self, record: Any, error: Exception, kind: Kind) -> None:
        log.error("not processed", extra={"error": repr(error)[:500], "kind": kind}, exc_info=kind == "bug")
        if kind == "bug" and self.bugs.reached(record, error):
            # Held until the service ends: its offset is never committed, so that it comes again after the repair.
            await asyncio.Event().wait()
        reason, kind_of_letter = f"{kind}: {error}", dead_kind_of(error)
        await self.dead_letters.send(record, reason, error=type(error).__name__, kind=kind_of_letter)


class ErrorPolicyMiddleware(BaseMiddleware):
    """Puts the policy around every record of a broker."""

    def __init__(self, msg: Any = None, /, *, policy: ErrorPolicy, **options: Any) -> None:
        super().__init__(msg, **options)
        self.policy = policy

    async def consume_scope(self, call_next: Callable[[Any], Awaitable[Any]], msg: Any) -> Any:
        """Run one record under the policy."""
        await self.policy.run(msg.raw_message, lambda: call_next(msg))
