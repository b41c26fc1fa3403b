"""A running monitor under a home of its own, asked and measured from outside."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.running import NotReachedError, Running
from benchmarks.serving.processes import Cost, cost_of
from headrace.ports import free_ports
from headrace.service_commands import environment_of
from headrace.service_process import ServiceCommand, ServiceProcess


@dataclass
class Member(Running):
    """One member of the monitor."""

    home: Path
    kafka: str
    instance: int = 0
    settings: Mapping[str, str] = field(default_factory=dict)
    port: int = field(default_factory=lambda: free_ports(1)[0])
    # Details cost the process whose time is measured.
    path = "/v1/status?detail=false"

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


# Each look costs the process whose time is measured.
POLL_SECONDS = 0.2


def has_written_all(status: Mapping[str, Any]) -> bool:
    """Everything that lies in the topics is in the tables."""
    pending = status["pending"]
    return bool(status["ready"]) and pending.get("table_lag") == 0 and pending.get("unflushed") == 0
