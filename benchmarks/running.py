"""A running service of ours, asked from outside: what it says of itself, and waiting until it says something."""

import asyncio
from collections.abc import Callable
from http.client import HTTPConnection, HTTPException
from typing import Any

import msgspec

from headrace.ports import LOOPBACK
from headrace.service_process import ServiceProcess
from shared.spine.clock import monotonic


class NotReachedError(Exception):
    """A service did not come to where it should be in time."""


class Running:
    """One process of a service, which a subclass starts, and the port at which it answers."""

    process: ServiceProcess
    port: int
    path = "/v1/status"

    def status(self) -> dict[str, Any] | None:
        """What the status says; None when nothing answers."""
        connection = HTTPConnection(LOOPBACK, self.port, timeout=30)
        try:
            connection.request("GET", self.path)
            said: dict[str, Any] = msgspec.json.decode(connection.getresponse().read())
            return said
        except (OSError, HTTPException, msgspec.MsgspecError):
            return None
        finally:
            connection.close()

    async def until(
        self, reached: Callable[[dict[str, Any]], bool], seconds: float = 120.0, poll_seconds: float = 0.02
    ) -> float:
        """Wait until the status is as wanted; returns the seconds that took. Raises NotReachedError."""
        begun, said = monotonic(), None
        while monotonic() - begun < seconds:
            said = await asyncio.to_thread(self.status)
            if said is not None and reached(said):
                return monotonic() - begun
            if self.process.pid is None:
                raise NotReachedError(f"it ended; see {self.process.log}")
            await asyncio.sleep(poll_seconds)
        raise NotReachedError(f"not reached in {seconds:.0f} s: {str(said)[:2000]}; see {self.process.log}")
