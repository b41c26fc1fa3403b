"""Plays event time: one thing at a time, and nothing new before the system is quiet."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Self

from headrace.quiet import QuietWatch
from shared.events import Event, TimeAdvanced, derived_id, to_record
from shared.spine.publisher import Publisher

SOURCE = "headrace/replay"


class Replay:
    """Moves the clocks of a running system whose services were started with HEADRACE_CLOCK=replay."""

    def __init__(self, options: dict[str, Any], services: Mapping[str, str]) -> None:
        self._publisher = Publisher(options)
        self._quiet = QuietWatch(options, services)
        self.now: datetime | None = None

    async def __aenter__(self) -> Self:
        await self._quiet.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._publisher.stop()
        await self._quiet.__aexit__(*error)

    async def quiet(self) -> None:
        """Wait until everything said so far has had its effects."""
        await self._quiet.wait()

    async def advance(self, now: datetime) -> None:
        """Move event time to `now`: quiet, `time_advanced`, quiet again with every clock there."""
        await self._quiet.wait()
        # The same moment has the same id, so that saying it again after a broken link changes nothing.
        event = TimeAdvanced.begin(source=SOURCE, time=now, id=derived_id(SOURCE, now.isoformat()), now=now)
        await self.say(event)
        await self._quiet.wait(now)
        self.now = now

    async def say(self, event: Event) -> None:
        """Publish an event, as an operator or another service would."""
        await self._publisher.send([to_record(event)])
