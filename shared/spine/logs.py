"""Structured logs: one JSON object a line, with the event and correlation id of the record being handled."""

import json
import logging
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

_context: ContextVar[dict[str, str] | None] = ContextVar("record", default=None)
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_SECRETS = ("password", "secret", "token", "api_key", "authorization")
# The last line of defence, for what others write into their errors: a URL's password, a shown key, one of ours.
_LOOKS_SECRET = re.compile(
    r"(?P<before>://[^\s/:@]*:)[^\s/@'\"\\]+(?=@)"
    r"|(?P<scheme>\b[Bb]earer )[A-Za-z0-9._~+/=\-]+"
    r"|\bhr_[A-Za-z0-9_\-]{40,}"
    r"|(?P<name>(?i:password)\\*['\"]?[=:] ?\\*['\"]?)[^\s'\"\\,)}]+"
)


@contextmanager
def record_context(record: Any) -> Iterator[None]:
    """While a Kafka record is handled, its topic, event id and correlation id stand in every log line."""
    context = {"topic": str(record.topic), "offset": str(getattr(record, "offset", ""))}
    names = {"ce_id": "event_id", "ce_correlationid": "correlation_id"}
    for name, value in getattr(record, "headers", ()) or ():
        if name in names and value:
            context[names[name]] = value.decode("utf-8", "replace")[:256]
    token = _context.set(context)
    try:
        yield
    finally:
        _context.reset(token)


class JsonFormatter(logging.Formatter):
    """Formats a record as one line of JSON; fields whose name says secret are not written."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self.service = service

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "service": self.service,
            "logger": record.name,
            "message": record.getMessage(),
            **(_context.get() or {}),
        }
        extra = {name: value for name, value in vars(record).items() if name not in _STANDARD}
        line |= {name: "***" if any(s in name.lower() for s in _SECRETS) else value for name, value in extra.items()}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return blotted(json.dumps(line, default=str))


def blotted(text: str) -> str:
    """The text without what looks like a secret.

    >>> blotted("cannot reach postgresql://me:hunter2@db/x")
    'cannot reach postgresql://me:***@db/x'
    """
    return _LOOKS_SECRET.sub(lambda found: "".join(part or "" for part in found.groups()) + "***", text)


class RateLimit(logging.Filter):
    """At most `per_burst` lines in each `seconds`: Kafka clients say 60 lines a second while it is away."""

    def __init__(self, per_burst: int = 20, seconds: float = 10.0) -> None:
        super().__init__()
        self.per_burst, self.seconds = per_burst, seconds
        self._since, self._count = 0.0, 0

    def filter(self, record: logging.LogRecord) -> bool:
        """Let the first lines of each span through."""
        if record.created - self._since > self.seconds:
            self._since, self._count = record.created, 0
        self._count += 1
        return self._count <= self.per_burst


def setup(service: str, level: str = "INFO") -> None:
    """Send all logs of this process to stderr as JSON."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter(service))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name in ("aiokafka", "aiokafka.conn", "aiokafka.cluster", "aiokafka.consumer", "aiokafka.producer"):
        logging.getLogger(name).setLevel("WARNING")
    handler.addFilter(_OnlyFor("aiokafka", RateLimit()))
    logging.getLogger("httpx").setLevel("WARNING")


class _OnlyFor(logging.Filter):
    def __init__(self, prefix: str, inner: logging.Filter) -> None:
        super().__init__()
        self.prefix, self.inner = prefix, inner

    def filter(self, record: logging.LogRecord) -> bool:
        return not record.name.startswith(self.prefix) or bool(self.inner.filter(record))
