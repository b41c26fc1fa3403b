"""The five services as commands: which module, which port, which variables."""

import sys
from collections.abc import Mapping
from pathlib import Path

from headrace.leftovers import MARK
from headrace.ports import LOOPBACK, PortClaims
from headrace.service_process import ServiceCommand
from headrace.settings import SERVICE_PORTS, inherited_environment


def environment_of(home: Path, extra: Mapping[str, str]) -> dict[str, str]:
    """The variables of every supervised process."""
    return inherited_environment() | {
        "HEADRACE_HOME": str(home),
        MARK: str(home),
        # One thread per library: another number of threads gives other floating point sums.
        "OMP_NUM_THREADS": "1",
        "BENTOML_DO_NOT_TRACK": "True",
        "PYTHONUNBUFFERED": "1",
        **extra,
    }


def choose_ports(claims: PortClaims) -> dict[str, int]:
    """Service -> port: the one that was asked for, the usual one when it is free, else any free one."""
    inherited = inherited_environment()
    asked = {name: inherited.get(f"HEADRACE_{name.upper()}_PORT") for name in SERVICE_PORTS}
    return {name: int(asked[name] or 0) or claims.take(usual) for name, usual in SERVICE_PORTS.items()}


def service_commands(ports: Mapping[str, int], environment: Mapping[str, str]) -> list[ServiceCommand]:
    """All services, in the order in which they start."""
    addresses = {f"HEADRACE_{name.upper()}_PORT": str(port) for name, port in ports.items()}
    addresses |= {f"HEADRACE_{name.upper()}_URL": f"http://{LOOPBACK}:{port}" for name, port in ports.items()}
    return [
        ServiceCommand(name, (sys.executable, "-m", f"services.{name}.app"), port, {**environment, **addresses})
        for name, port in ports.items()
    ]
