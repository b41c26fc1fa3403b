"""What each worker says about itself: one small file, written whole, so that any worker can answer for all of them."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from services.serving.segments import write_atomically
from shared.spine.clock import wall_now

log = logging.getLogger(__name__)

# A worker that has not written for this long is dead or stopped.
LIVE_SECONDS = 5.0


class WorkerState(msgspec.Struct, frozen=True):
    """One worker: what it should serve, what it serves, which it refused, and its event time."""

    instance: int
    slot: int
    pid: int
    at: float
    ready: bool
    clock: str | None
    wanted: dict[str, int]
    active: dict[str, int]
    refused: dict[str, int]
    packages: dict[str, str]
    # Use case -> the newest word of a team on its capacity that this worker obeys.
    capacity: dict[str, int] = {}

    @property
    def unsettled(self) -> list[str]:
        """Use cases whose wanted release is neither active nor refused."""
        return [
            name
            for name, sequence in self.wanted.items()
            if self.active.get(name, 0) < sequence and self.refused.get(name) != sequence
        ]


def write(directory: Path, state: WorkerState) -> None:
    """Say how this worker stands."""
    directory.mkdir(parents=True, exist_ok=True)
    write_atomically(path_of(directory, state.instance, state.slot), msgspec.json.encode(state))


def path_of(directory: Path, instance: int, slot: int) -> Path:
    """The file of one worker; a restarted one takes it over."""
    return directory / f"{instance}-{slot}.json"


def clear(directory: Path, instance: int) -> None:
    """Forget the workers of one replica: it starts anew."""
    directory.mkdir(parents=True, exist_ok=True)
    for path in directory.glob(f"{instance}-*.json"):
        path.unlink(missing_ok=True)


def read_live(directory: Path) -> list[WorkerState]:
    """Return all workers of this host that are alive, by replica and slot."""
    oldest = wall_now().timestamp() - LIVE_SECONDS
    states = []
    for path in sorted(directory.glob("*.json")):
        try:
            state = msgspec.json.decode(path.read_bytes(), type=WorkerState)
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
            continue
        if state.at >= oldest:
            states.append(state)
    return states


def summary(states: list[WorkerState], expected: int, instance: int) -> Mapping[str, Any]:
    """Return what `/v1/status` says of the workers: the slowest counts."""
    mine = [state for state in states if state.instance == instance]
    clocks = [state.clock for state in states]
    names = {name for state in states for name in state.active}
    told = {name for state in states for name in state.capacity}
    return {
        "clock": min((clock for clock in clocks if clock), default=None) if all(clocks) else None,
        "starting": sum(not state.ready for state in states) + max(0, expected - len(mine)),
        "activations": sum(len(state.unsettled) for state in states),
        "releases": {name: min(state.active.get(name, 0) for state in states) for name in sorted(names)},
        "capacity": {name: min(state.capacity.get(name, 0) for state in states) for name in sorted(told)},
        "workers": [msgspec.to_builtins(s) for s in sorted(states, key=lambda s: (s.instance, s.slot))],
    }
