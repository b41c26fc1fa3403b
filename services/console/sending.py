"""Sends notifications through Apprise: again after a failure, later in quiet hours, at once when urgent."""

import asyncio
import hashlib
import logging
from collections.abc import Mapping, Sequence
from datetime import datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from services.console.incidents import is_quiet
from services.console.metrics import CONSOLE_NOTICES_TOTAL, CONSOLE_NOTICES_WAITING
from services.console.notices import NoticeStore
from services.console.store import EventStore
from services.console.tables import NoticeRow
from shared.contract.schema import Contract
from shared.events import UseCaseApplied
from shared.spine.clock import Clock, monotonic
from shared.spine.db import Database

log = logging.getLogger(__name__)
LOOK_SECONDS = 1.0
_LONGEST_WAIT_SECONDS = 3600.0


def targets_of(urls: Sequence[str]) -> dict[str, str]:
    """Name -> URL. The name is a hash: it stands in the database, in logs and in answers, and tells nothing."""
    return {hashlib.sha256(url.encode()).hexdigest()[:12]: url for url in urls}


async def send(url: str, title: str, body: str) -> bool:
    """Whether the target took it. Nothing of the URL is ever logged: it holds the target's password or token."""
    return await asyncio.to_thread(_send, url, " ".join(title.split()), body)


def _send(url: str, title: str, body: str) -> bool:
    # Not before the first notification: it is heavy, and most systems have no target.
    import apprise

    logging.getLogger("apprise").disabled = True
    way = apprise.Apprise()
    return bool(way.add(url) and way.notify(title=title, body=body, body_format=apprise.NotifyFormat.TEXT))


def kind_of(url: str) -> str:
    """The kind of target, which is no secret: mailto, slack, json …"""
    kind = url.partition("://")[0].lower()
    return kind if kind.isalnum() and len(kind) <= 20 else "unknown"


class Sender:
    """The one that sends; `urls` are known to nobody else."""

    def __init__(
        self, db: Database, clock: Clock, urls: Sequence[str], quiet_hours: tuple[time, time] | None,
        retry_seconds: float, attempts: int,
    ) -> None:  # fmt: skip
        self._db, self._clock, self._urls = db, clock, targets_of(urls)
        self._quiet_hours, self._retry_seconds, self._attempts = quiet_hours, retry_seconds, attempts
        self._not_before: dict[str, tuple[float, float]] = {}

    @property
    def targets(self) -> tuple[str, ...]:
        """Their names."""
        return tuple(self._urls)

    async def run(self) -> None:
        """For ever, unless there is no target."""
        while self._urls:
            await self.send_waiting()
            await asyncio.sleep(LOOK_SECONDS)

    async def send_waiting(self) -> int:
        """Send what may go out now; returns how many went. One that was sent before a crash may go out again."""
        if (now := self._clock.known) is None:
            return 0
        async with self._db.read() as session:
            rows = await NoticeStore(session, self.targets).list_waiting()
            zones = {name: await _zone(session, name) for name in {row.use_case for row in rows}}
        # Side by side: a target that hangs holds up no other.
        targets = [[row for row in rows if row.target == target] for target in self._urls]
        sent = sum(await asyncio.gather(*(self._send_to_one(waiting, zones, now) for waiting in targets)))
        async with self._db.read() as session:
            CONSOLE_NOTICES_WAITING.set(await NoticeStore(session, self.targets).count_waiting())
        return sent

    async def test(self) -> list[dict[str, Any]]:
        """A message to every target, quiet hours or not; how each ended, without its URL."""
        body = "This is a test of Headrace's notifications. Nothing has happened."
        taken = await asyncio.gather(*(send(url, "Headrace: a test", body) for url in self._urls.values()))
        return [
            {"target": name, "kind": kind_of(url), "sent": sent}
            for (name, url), sent in zip(self._urls.items(), taken, strict=True)
        ]

    async def _send_to_one(self, rows: Sequence[NoticeRow], zones: Mapping[str, ZoneInfo], now: datetime) -> int:
        return sum([await self._try(row) for row in rows if self._may_go(row, zones, now)])

    def _may_go(self, row: NoticeRow, zones: Mapping[str, ZoneInfo], now: datetime) -> bool:
        # The first try of what is urgent waits for nothing, not even for the end of the pause after other failures.
        if row.urgent and not row.attempts:
            return True
        if monotonic() < self._not_before.get(row.target, (0.0, 0.0))[0]:
            return False
        return row.urgent or not is_quiet(now, zones[row.use_case], self._quiet_hours)

    async def _try(self, row: NoticeRow) -> bool:
        taken = await send(self._urls[row.target], row.title, row.body)
        async with self._db.transaction() as session:
            store = NoticeStore(session, self.targets)
            state = await store.settle(row.incident, row.target, sent=taken, attempts_at_most=self._attempts)
        CONSOLE_NOTICES_TOTAL.labels("failed" if state == "waiting" else state).inc()
        if taken:
            self._not_before.pop(row.target, None)
            return True
        waited = min(max(self._not_before.get(row.target, (0.0, 0.0))[1] * 2, self._retry_seconds),
                     _LONGEST_WAIT_SECONDS)  # fmt: skip
        self._not_before[row.target] = (monotonic() + waited, waited)
        what = {"target": row.target, "kind": kind_of(self._urls[row.target]), "incident": row.incident}
        said = what | {"wait_seconds": waited, "given_up": state == "given_up"}
        log.warning("a notification was not taken", extra=said)
        return False


async def _zone(session: Any, use_case: str) -> ZoneInfo:
    applied = [one for one in await EventStore(session).list_contracts(use_case) if isinstance(one, UseCaseApplied)]
    return Contract.model_validate(applied[-1].contract).zone if applied else ZoneInfo("UTC")
