"""A running monitor under a home of its own, asked and measured from outside."""

import asyncio
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.serving.processes import Cost, cost_of
from headrace.ports import LOOPBACK, free_ports
from headrace.service_commands import environment_of
from headrace.service_process import ServiceCommand, ServiceProcess
from shared.spine.clock import monotonic


class NotReachedError(Exception):
    """A monitor did not come to where it should be in time."""


@dataclass
class Member:
    """One member of the monitor."""

    home: Path
    kafka: str
    instance: int = 0
    settings: Mapping[str, str] = field(default_factory=dict)
    port: int = field(default_factory=lambda: free_ports(1)[0])

    def __post_init__(self) -> None:
        variables = {
            "HEADRACE_KAFKA": self.kafka,
            "HEADRACE_MONITOR_PORT": str(self.port),
            "HEADRACE_INSTANCE": str(self.instance),
            **self.settings,
        }
        command = (sys.executable, "-m", "services.monitor.app")
        self.process = ServiceProcess(
            ServiceCommand("monitor", command, self.port, environment_of(self.home, variables)),
            self.home / f"monitor-{self.instance}.log",
        )

    @property
    def cost(self) -> Cost:
        """CPU seconds so far and resident bytes now. Raises NotReachedError when it has ended."""
        if self.process.pid is None:
            raise NotReachedError(f"the monitor ended; see {self.process.log}")
        return cost_of([self.process.pid])

    def status(self) -> dict[str, Any] | None:
        """What /v1/status says; None when nothing answers."""
        connection = HTTPConnection(LOOPBACK, self.port, timeout=30)
        try:
            connection.request("GET", "/v1/status?detail=false")
            said: dict[str, Any] = msgspec.json.decode(connection.getresponse().read())
            return said
        except (OSError, HTTPException, msgspec.MsgspecError):
            return None
        finally:
            connection.close()

    async def until(
        self, reached: Callable[[dict[str, Any]], bool], seconds: float = 300.0, poll_seconds: float = 0.2
    ) -> dict[str, Any]:
        """Wait until the status is as wanted, and return it. Raises NotReachedError."""
        end = monotonic() + seconds
        while monotonic() < end:
            said = await asyncio.to_thread(self.status)
            if said is not None and reached(said):
                return said
            if self.process.pid is None:
                raise NotReachedError(f"the monitor ended; see {self.process.log}")
            await asyncio.sleep(poll_seconds)
        raise NotReachedError(f"not reached in {seconds:.0f} s: {self.status()}; see {self.process.log}")


def has_written_all(status: Mapping[str, Any]) -> bool:
    """Everything that lies in the topics is in the tables."""
    pending = status["pending"]
    return bool(status["ready"]) and pending.get("table_lag") == 0 and pending.get("unflushed") == 0
