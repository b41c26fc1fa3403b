"""Where an answer comes from: one release as this host serves it, captured before scoring."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from services.serving.shares import Share
from shared.contract import Policy
from shared.contract.arms import Draw


@dataclass(frozen=True)
class Version:
    """What an answer says about where it comes from: one release, captured before scoring.

    `shares` is what this host gives of the release's capacities; the capacities of `policy` end where they end.
    `lowered`: the policies of blocks for which a team has lowered a capacity; empty, nothing is asked of it.
    """

    use_case: str
    sequence: int
    package_digest: str
    behaviour_digest: str
    contract_digest: str
    policy: Policy
    # None where the contract takes neither a control share nor an audit share.
    draw: Draw | None = None
    shares: Mapping[str, Share] = field(default_factory=dict, hash=False)
    lowered: Mapping[str, Policy] = field(default_factory=dict, hash=False)

    def shares_in(self, block: str) -> Mapping[str, Share]:
        """What this host gives in a block: a lowered capacity ends earlier, and its last places are gone."""
        policy = self.lowered.get(block)
        if policy is None:
            return self.shares
        ends = policy.limits
        return {
            name: share._replace(size=max(0, min(share.size, ends[name] - share.before)))
            for name, share in self.shares.items()
        }
