"""PURE: the state that the entries of the spool add up to: capacity taken, requests known, what was dropped."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from services.serving.entries import Head

KEPT_BLOCKS = 400
INDEXED_BLOCKS = 2
KEPT_RANGES = 100


class Position(NamedTuple):
    """Where an entry stands in the spool."""

    segment: int
    offset: int


@dataclass
class CapacityTaken:
    """How many decisions of each kind every block of every use case has taken."""

    by_use_case: dict[str, dict[str, dict[str, int]]] = field(default_factory=dict)

    def add(self, use_case: str, taken: dict[str, dict[str, int]]) -> None:
        """Count what one entry took; only the latest blocks are kept."""
        blocks = self.by_use_case.setdefault(use_case, {})
        for block, decisions in taken.items():
            counts = blocks.setdefault(block, {})
            for decision, number in decisions.items():
                counts[decision] = counts.get(decision, 0) + number
        while len(blocks) > KEPT_BLOCKS:
            del blocks[min(blocks)]

    def of(self, use_case: str, block: str) -> dict[str, int]:
        """Return what is taken in one block, by decision."""
        return self.by_use_case.get(use_case, {}).get(block, {})

    def copy_of(self, use_case: str, blocks: Iterable[str]) -> "CapacityTaken":
        """Return what is taken in these blocks as it stands now, for a decision that is made beside the lock."""
        return CapacityTaken({use_case: {block: dict(self.of(use_case, block)) for block in blocks}})

    def same(self, other: "CapacityTaken", use_case: str, decisions: Iterable[str]) -> bool:
        """Whether the blocks that `other` knows have taken as much of these decisions as it says."""
        known = other.by_use_case.get(use_case, {})
        names = list(decisions)
        return all(self.of(use_case, b).get(d, 0) == taken.get(d, 0) for b, taken in known.items() for d in names)


@dataclass
class RequestIndex:
    """Where the answers of the requests that clients named themselves stand: current and previous block.

    "Current" is decided by what arrives: the two latest blocks in event time and the two last touched are kept, so
    that a client which plays old days back has the promise too.
    """

    limit: int = 1_000_000
    blocks: dict[str, dict[str, dict[int, Position]]] = field(default_factory=dict)
    size: int = 0

    def add(self, use_case: str, block: str, request_id: str, position: Position) -> None:
        """Remember a request; older blocks are forgotten, and the oldest requests beyond the limit."""
        blocks = self.blocks.setdefault(use_case, {})
        entries = blocks.pop(block, {})
        blocks[block] = entries  # moved to the end: last touched
        before = len(entries)
        entries[_key(request_id)] = position
        self.size += len(entries) - before
        self._forget(blocks)

    def find(self, use_case: str, request_id: str) -> Position | None:
        """Return where the first answer to a request stands."""
        key = _key(request_id)
        for entries in self.blocks.get(use_case, {}).values():
            if (position := entries.get(key)) is not None:
                return position
        return None

    def other_use_case(self, use_case: str, request_id: str) -> str | None:
        """Return another use case that answered a request of this id."""
        others = (other for other in self.blocks if other != use_case)
        return next((other for other in others if self.find(other, request_id)), None)

    def oldest_segment(self) -> int | None:
        """Return the oldest segment that is still needed to repeat an answer."""
        firsts = [next(iter(e.values())).segment for b in self.blocks.values() for e in b.values() if e]
        return min(firsts, default=None)

    def forget_before(self, segment: int) -> None:
        """Forget the requests whose segment is gone."""
        for blocks in self.blocks.values():
            for entries in blocks.values():
                for key in [k for k, position in entries.items() if position.segment < segment]:
                    del entries[key]
                    self.size -= 1

    def _forget(self, blocks: dict[str, dict[int, Position]]) -> None:
        if len(blocks) > INDEXED_BLOCKS:
            keep = {*sorted(blocks)[-INDEXED_BLOCKS:], *list(blocks)[-INDEXED_BLOCKS:]}
            for block in [b for b in blocks if b not in keep]:
                self.size -= len(blocks.pop(block))
        while self.size > self.limit:
            entries = next(e for b in self.blocks.values() for e in b.values() if e)
            del entries[next(iter(entries))]
            self.size -= 1


@dataclass
class Dropped:
    """What a full spool threw away before Kafka had it, with the range of ids of each piece."""

    predictions: int = 0
    events: int = 0
    ranges: list[dict[str, Any]] = field(default_factory=list)

    def add(self, piece: dict[str, Any]) -> None:
        """Count one piece: {first, last, predictions, events}."""
        self.predictions += piece["predictions"]
        self.events += piece["events"]
        self.ranges = [*self.ranges, piece][-KEPT_RANGES:]


@dataclass
class Ledger:
    """Everything a worker knows from the spool; the same entries always give the same ledger."""

    taken: CapacityTaken = field(default_factory=CapacityTaken)
    requests: RequestIndex = field(default_factory=RequestIndex)
    dropped: Dropped = field(default_factory=Dropped)
    events: int = 0

    def apply(self, head: Head, position: Position) -> None:
        """Take one entry in."""
        if head.state is not None:
            self._resume(head.state)
            return
        if head.dropped is not None:
            self.dropped.add(head.dropped)
        self.events += len(head.messages)
        if head.taken:
            self.taken.add(head.use_case, head.taken)
        if head.digest:
            self.requests.add(head.use_case, head.block, head.request_id, position)

    def apply_one(self, use_case: str, block: str, decision: str, named: str | None, position: Position) -> None:
        """Take the entry of one decision in, as `apply` does; `named` is the id that the client gave."""
        self.events += 1
        self.taken.add(use_case, {block: {decision: 1}})
        if named:
            self.requests.add(use_case, block, named, position)

    def state(self) -> dict[str, Any]:
        """Return what the next segment starts with; the request index is found in the segments themselves."""
        dropped = {"predictions": self.dropped.predictions, "events": self.dropped.events}
        return {
            "taken": self.taken.by_use_case,
            "events": self.events,
            "dropped": {**dropped, "ranges": self.dropped.ranges},
        }

    def _resume(self, state: dict[str, Any]) -> None:
        # Read from the first kept segment on, or standing beside what this worker has counted itself: the same numbers.
        self.taken = CapacityTaken(state["taken"])
        self.events = int(state["events"])
        self.dropped = Dropped(**state["dropped"])


def _key(request_id: str) -> int:
    """64 bits of a hash: a million ids stay small; the entry itself confirms that it is the right one."""
    return int.from_bytes(hashlib.blake2b(request_id.encode(), digest_size=8).digest(), "big")
