"""Free ports on the loopback address, chosen so that neither an outage nor another system can take them."""

import fcntl
import random
import socket
import tempfile
from getpass import getuser
from pathlib import Path
from typing import IO

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


class PortClaims:
    """Ports that this system has taken before its services listen; other systems of the same user see the claim.

    Without it, two systems that start in the same second both find the usual ports free, and each may take the other's
    services for its own.
    """

    def __init__(self, directory: Path | None = None) -> None:
        self._directory = directory or Path(tempfile.gettempdir()) / f"headrace-ports-{getuser()}"
        self._held: list[IO[bytes]] = []

    def take(self, usual: int) -> int:
        """The usual port, or another free one when that is taken; ours until `release`."""
        for port in (usual, *free_ports(20)):
            if is_free(port) and self._claim(port):
                return port
        raise OSError(f"neither port {usual} nor any of 20 others could be taken on {LOOPBACK}")

    def release(self) -> None:
        """Let all go."""
        for handle in self._held:
            handle.close()
        self._held = []

    def _claim(self, port: int) -> bool:
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = (self._directory / str(port)).open("wb")
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            handle.close()
            return False
        self._held.append(handle)
        return True


def _first_ephemeral_port() -> int:
    try:
        first = int(_EPHEMERAL_RANGE.read_text(encoding="ascii").split()[0])
    except (OSError, ValueError):
        first = 32_768
    return first if first > _LOWEST + 1_000 else 32_768
