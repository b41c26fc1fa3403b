"""How a worker stands: ready or why not, degraded by what, and the status that the replay and operators ask for."""

from dataclasses import dataclass, field
from typing import Any

from services.serving import metrics, workers
from services.serving.activate import Activator
from services.serving.follow import Follower
from services.serving.journal import Journal
from services.serving.settings import ServingSettings
from services.serving.shares import left_of
from services.serving.workers import WorkerState
from shared.spine.clock import Clock, wall_now

# Today's and yesterday's: late records are of the latter.
SHOWN_BLOCKS = 2


@dataclass
class Health:
    """Reads the parts of a worker; owns nothing but the memory that it was ready once, and that it is stopping."""

    settings: ServingSettings
    slot: int
    pid: int
    journal: Journal
    activator: Activator
    follower: Follower
    clock: Clock
    draining: bool = False
    started: bool = False
    # What parity found wrong, by use case.
    wrong: dict[str, str] = field(default_factory=dict)

    def reasons_not_ready(self) -> list[str]:
        """Empty when requests should come here; a swap under way is no reason, for the old release answers."""
        if self.draining:
            return ["stopping"]
        if self.started:
            return []
        follower = self.follower
        if not follower.caught_up and not (follower.away and self.activator.wanted):
            return ["has not read the releases yet, and has no snapshot to start from"]
        if self.activator.untried():
            return ["the first releases are being loaded"]
        self.started = True
        return []

    def degraded(self) -> list[str]:
        """What is not as it should be, although requests are answered."""
        reasons = []
        dropped = self.journal.ledger.dropped
        if dropped.events:
            reasons.append(f"a full spool dropped {dropped.predictions} predictions in {dropped.events} events")
        if self.journal.full:
            reasons.append("the spool is full or its disk is: predictions are refused")
        reasons += [f"{name} does not score as in training: {said}" for name, said in self.wrong.items()]
        if self.follower.away:
            reasons.append("Kafka is away: releases are not followed, events wait in the spool")
        return reasons

    def state(self) -> WorkerState:
        """What this worker says to the others."""
        now, live = self.clock.known, self.activator.served.live
        return WorkerState(
            instance=self.settings.instance,
            slot=self.slot,
            pid=self.pid,
            at=wall_now().timestamp(),
            ready=not self.reasons_not_ready(),
            clock=now.isoformat() if now else None,
            wanted={name: release.sequence for name, release in self.activator.wanted.items()},
            active={name: each.version.sequence for name, each in live.items()},
            refused=dict(self.activator.refused),
            packages={name: each.version.package_digest for name, each in live.items()},
            capacity=dict(self.activator.capacities.heard),
        )

    def capacity(self) -> dict[str, dict[str, Any]]:
        """What this host gives of each capacity, in the last two blocks that it has seen of each use case."""
        taken, found = self.journal.look().taken.by_use_case, {}
        for name, live in self.activator.served.live.items():
            blocks, version = taken.get(name, {}), live.version
            if version.shares:
                last = sorted(blocks)[-SHOWN_BLOCKS:]
                found[name] = {block: left_of(version.shares_in(block), blocks[block]) for block in last}
        return found

    def measure(self) -> None:
        """Set the gauges of capacity to how the newest block stands."""
        for name, blocks in self.capacity().items():
            for decision, numbers in blocks[max(blocks)].items() if blocks else ():
                metrics.SERVING_CAPACITY_SHARE.labels(name, decision).set(numbers["share"])
                metrics.SERVING_CAPACITY_UNUSED.labels(name, decision).set(numbers["unused"])

    def status(self) -> dict[str, Any]:
        """What `headrace status` and the replay ask: all live workers of the host, the spool, the clock."""
        unacked = self.journal.unacknowledged()
        mine = self.state()
        others = workers.read_live(self.settings.directory / "workers")
        states = [mine, *(each for each in others if (each.instance, each.slot) != (mine.instance, mine.slot))]
        said = workers.summary(states, self.settings.serving_workers, self.settings.instance)
        now, dropped = self.clock.known, self.journal.ledger.dropped
        pending = {"spool_unacked": unacked, "activations": said["activations"], "starting": said["starting"]}
        clock = said["clock"] if self.settings.clock == "replay" else now.isoformat() if now else None
        return {
            "service": "serving",
            "ready": not self.reasons_not_ready(),
            "clock": clock,
            "quiet": not any(pending.values()),
            "pending": pending,
            "detail": {
                "releases": said["releases"],
                "capacity_obeyed": said["capacity"],
                "workers": said["workers"],
                "kafka": "away" if self.follower.away else "there",
                "degraded": self.degraded(),
                "share": {"mine": self.settings.serving_share, "of": list(self.settings.hosts.weights)},
                "capacity": self.capacity(),
                "spool": {"bytes": self.journal.size, "events": self.journal.ledger.events},
                "dropped": {
                    "predictions": dropped.predictions,
                    "events": dropped.events,
                    "ranges": dropped.ranges,
                },
            },
        }
