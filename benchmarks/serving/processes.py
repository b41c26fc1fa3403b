"""What processes cost, read from /proc: CPU seconds, resident memory, and who descends from whom."""

import os
import signal
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from shared.spine.clock import monotonic

_LOOK_SECONDS, _IDLE_SHARE = 1.0, 0.25
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Cost:
    """CPU seconds so far and resident bytes now, of some processes together."""

    cpu_seconds: float
    resident_bytes: int


def descendants(root: int) -> list[int]:
    """A process and all that it has started, however deep, that live now."""
    parents: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parents[int(stat.parent.name)] = int(_fields(stat)[1])
    found = [root]
    for parent in found:
        found += [pid for pid, above in parents.items() if above == parent]
    return found


def command_of(pid: int) -> str:
    """How a process was started; empty when it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
    except OSError:
        return ""


def cost_of(pids: Iterable[int]) -> Cost:
    """Add up what these processes have used; who is gone counts nothing."""
    ticks = pages = 0
    for pid in pids:
        with suppress(OSError):
            fields = _fields(Path(f"/proc/{pid}/stat"))
            # utime and stime are the 14th and 15th field, rss the 24th; two stand before what _fields returns.
            ticks += int(fields[11]) + int(fields[12])
            pages += int(fields[21])
    return Cost(ticks / _TICKS, pages * _PAGE)


def signal_all(pids: Iterable[int], number: signal.Signals) -> None:
    """Send a signal to processes that we have started; who is gone needs none."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def wait_until_idle(pids: Sequence[int], at_most_seconds: float = 30.0, *, looks: int = 1) -> None:
    """Return when these processes rest: what a server loads after its start is no cost of a request.

    On a busy machine one that has to wait for a core looks like one that rests: more `looks` in a row tell them apart.
    """
    pause, end, rested = Event(), monotonic() + at_most_seconds, 0
    while monotonic() < end and rested < looks:
        before = cost_of(pids).cpu_seconds
        pause.wait(_LOOK_SECONDS)
        rests = cost_of(pids).cpu_seconds - before <= _IDLE_SHARE * _LOOK_SECONDS
        rested = rested + 1 if rests else 0


def _fields(stat: Path) -> list[str]:
    # The second field is a name in brackets that may hold blanks and brackets.
    return stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
