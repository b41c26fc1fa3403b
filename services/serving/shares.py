"""PURE: which places of a capacity each host gives: fixed shares that add up to the contract's limit, never to more.

The places of a limit, counted from 1, are dealt out once: host 0 gives the first ones, host 1 those behind them. So no
two hosts ever give the same place, and the rows of the table show it.
"""

import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from services.serving.ledger import CapacityTaken
from shared.contract import Policy


class Share(NamedTuple):
    """What one host gives of a limit: `size` places, those behind the first `before` ones."""

    limit: int
    before: int
    size: int


@dataclass(frozen=True)
class Hosts:
    """One weight per host, in the same order on every host; `mine` is the place of this one."""

    weights: tuple[int, ...] = (1,)
    mine: int = 0

    def shares(self, policy: Policy, use_case: str) -> dict[str, Share]:
        """This host's share of each capacity."""
        found = {}
        for decision, limit in policy.limits.items():
            sizes = shares_of(limit, self.weights, f"{use_case}/{decision}")
            found[decision] = Share(limit, sum(sizes[: self.mine]), sizes[self.mine])
        return found

    def ends(self, limits: Mapping[str, int], shares: Mapping[str, Share], use_case: str) -> dict[str, int]:
        """The last place of this host under lower limits: they are split like the whole, and each host begins where it
        did, for what was given before stands.
        """
        return {
            decision: shares[decision].before + shares_of(limit, self.weights, f"{use_case}/{decision}")[self.mine]
            for decision, limit in limits.items()
            if decision in shares
        }


ONE_HOST = Hosts()


def shares_of(limit: int, weights: Sequence[int], name: str) -> list[int]:
    """Split a limit by weight, largest remainder first; `name` says at which host the turn begins among equal ones.

    >>> shares_of(200, (1, 1, 1), "claims/review"), shares_of(1, (1, 1, 1), "claims/call")
    ([67, 66, 67], [0, 1, 0])
    """
    total, hosts = sum(weights), len(weights)
    sizes = [limit * weight // total for weight in weights]
    first = zlib.crc32(name.encode()) % hosts
    order = sorted(range(hosts), key=lambda host: (-(limit * weights[host] % total), (host - first) % hosts))
    for host in order[: limit - sum(sizes)]:
        sizes[host] += 1
    return sizes


def narrowed(policy: Policy, shares: Mapping[str, Share]) -> Policy:
    """The policy for one host: each capacity ends behind the host's last place."""
    if all(share.size == share.limit for share in shares.values()):
        return policy
    ends = {decision: share.before + share.size for decision, share in shares.items()}
    rules = [rule.model_copy(update={"capacity": ends.get(rule.name)}) for rule in policy.rules]
    # Built anew: a copy would keep the cached limits of the original.
    fields = {name: getattr(policy, name) for name in Policy.model_fields}
    return Policy(**fields | {"rules": tuple(rules)})


def behind_others(
    taken: CapacityTaken, shares: Mapping[str, Share], use_case: str, blocks: Iterable[str]
) -> CapacityTaken:
    """What is taken as a `narrowed` policy needs it: the places of the hosts before this one are gone already."""
    if not any(share.before for share in shares.values()):
        return taken
    seen = {}
    for block in blocks:
        mine = taken.of(use_case, block)
        seen[block] = {decision: share.before + mine.get(decision, 0) for decision, share in shares.items()}
    return CapacityTaken({use_case: seen})


def left_of(shares: Mapping[str, Share], taken: Mapping[str, int]) -> dict[str, dict[str, int]]:
    """Each capacity in numbers: the contract's limit, this host's share, what of it is taken, what is unused.

    >>> left_of({"review": Share(200, 0, 67)}, {"review": 60})
    {'review': {'limit': 200, 'share': 67, 'taken': 60, 'unused': 7}}
    """
    return {
        decision: {
            "limit": share.limit,
            "share": share.size,
            "taken": taken.get(decision, 0),
            "unused": max(0, share.size - taken.get(decision, 0)),
        }
        for decision, share in shares.items()
    }
