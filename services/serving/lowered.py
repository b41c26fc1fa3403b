"""What teams have said about their capacity: the policies of the blocks they spoke of, and decisions under them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from services.serving.answers import Decided, decide_rows
from services.serving.decode import Rows
from services.serving.ledger import KEPT_BLOCKS, CapacityTaken
from services.serving.shares import ONE_HOST, Hosts, Share
from services.serving.version import Version
from shared.contract import Policy, with_limits
from shared.contract.arms import Drawn
from shared.events import CapacityChanged

# Block -> decision -> (sequence, limit).
Words = dict[str, dict[str, tuple[int, int]]]


@dataclass
class Capacities:
    """The newest word on each block and decision of every use case; late and repeated ones change nothing."""

    hosts: Hosts = ONE_HOST
    by_use_case: dict[str, Words] = field(default_factory=dict)
    heard: dict[str, int] = field(default_factory=dict)

    def hear(self, event: CapacityChanged) -> bool:
        """Take a word in; False where it is old news."""
        return self.add(event.use_case, {event.block: {event.decision: (event.sequence, event.limit)}})

    def add(self, use_case: str, words: Words) -> bool:
        """Take several in, such as those of a snapshot; True where any of them is news."""
        mine, news = self.by_use_case.setdefault(use_case, {}), False
        for block, decisions in words.items():
            known = mine.setdefault(block, {})
            for decision, (sequence, limit) in decisions.items():
                if sequence > known.get(decision, (0, 0))[0]:
                    known[decision], news = (sequence, limit), True
                self.heard[use_case] = max(self.heard.get(use_case, 0), sequence)
        while len(mine) > KEPT_BLOCKS:
            del mine[min(mine)]
        return news

    def of(self, use_case: str) -> Words:
        """Everything known of a use case."""
        return self.by_use_case.get(use_case, {})

    def policies(self, use_case: str, policy: Policy, shares: Mapping[str, Share]) -> dict[str, Policy]:
        """Block -> the policy under this host's part of the lower limits; nothing where the policy's own hold."""
        found = {}
        for block, decisions in self.of(use_case).items():
            limits = {name: limit for name, (_, limit) in decisions.items()}
            found[block] = with_limits(policy, self.hosts.ends(limits, shares, use_case))
        return {block: one for block, one in found.items() if one is not policy}


def decide_lowered(
    version: Version,
    rows: Rows,
    scores: Sequence[Sequence[float]],
    counts: CapacityTaken,
    drawn: Drawn | None = None,
) -> Decided:
    """Decide each block under its own limits; blocks share nothing, so each of them is decided by itself."""
    decided = Decided([""] * len(rows), ["cost"] * len(rows), [None] * len(rows), {}, drawn)
    for block in dict.fromkeys(rows.blocks):
        places = [place for place, one in enumerate(rows.blocks) if one == block]
        times, flagged = [rows.times[place] for place in places], [rows.flagged[place] for place in places]
        part = Rows(times, [block] * len(places), {}, {}, flagged)
        policy = version.lowered.get(block, version.policy)
        mine = drawn and drawn.of(places)
        found = decide_rows(policy, part, [scores[place] for place in places], counts, version.use_case, mine)
        decided.taken.update(found.taken)
        for row, place in enumerate(places):
            decided.decisions[place], decided.reasons[place] = found.decisions[row], found.reasons[row]
            decided.places[place] = found.places[row]
    return decided
