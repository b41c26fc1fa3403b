"""Free ports on the loopback address, chosen so that an outage cannot lose them."""

import random
import socket
from pathlib import Path

LOOPBACK = "127.0.0.1"
_EPHEMERAL_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_LOWEST = 10_240
_chooser = random.SystemRandom()


def is_free(port: int) -> bool:
    """Whether a server could listen on this port now (as Java does: TIME_WAIT is no obstacle)."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def free_ports(count: int) -> list[int]:
    """Different free ports, outside the range from which the kernel gives ports to clients.

    A client that retries a dead local port inside that range may be given this very port as its own, connect to itself,
    and keep the server from coming back.
    """
    below = _first_ephemeral_port()
    found: list[int] = []
    for port in _chooser.sample(range(_LOWEST, below), min(200, below - _LOWEST)):
        if is_free(port):
            found.append(port)
        if len(found) == count:
            return found
    raise OSError(f"no free port between {_LOWEST} and {below} on {LOOPBACK}")


def _first_ephemeral_port() -> int:
    try:
        first = int(_EPHEMERAL_RANGE.read_text(encoding="ascii").split()[0])
    except (OSError, ValueError):
        first = 32_768
    return first if first > _LOWEST + 1_000 else 32_768
