"""Capacities that a team has lowered for one block, and decisions under them: before the team's word, and after it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from shared.contract.policy import Policy, Rule
from shared.contract.replay import decide_in_order


@dataclass(frozen=True)
class Lowered:
    """From `at` on a decision takes at most `limit` cases of a block; of several words the newest counts."""

    sequence: int
    at: datetime
    block: str
    decision: str
    limit: int


def limits_at(words: Iterable[Lowered], block: str, at: datetime | None = None) -> dict[str, int]:
    """Decision -> what its team had said for a block by a time (at last, without one)."""
    told = [word for word in words if word.block == block and (at is None or word.at <= at)]
    return {word.decision: word.limit for word in sorted(told, key=lambda word: word.sequence)}


def with_limits(policy: Policy, limits: Mapping[str, int]) -> Policy:
    """The same costs and prices with capacities that are at most these; the policy itself where none is lower."""
    if all(limit <= limits.get(name, limit) for name, limit in policy.limits.items()):
        return policy
    # Built anew: a copy would keep the cached limits of the original.
    fields = {name: getattr(policy, name) for name in Policy.model_fields}
    return Policy(**fields | {"rules": tuple(_lower(rule, limits) for rule in policy.rules)})


def _lower(rule: Rule, limits: Mapping[str, int]) -> Rule:
    if rule.capacity is None or rule.name not in limits:
        return rule
    return rule.model_copy(update={"capacity": min(rule.capacity, limits[rule.name])})


def decide_through(
    policy: Policy,
    blocks: Sequence[str],
    times: Sequence[datetime],
    scores: Sequence[Sequence[float]] | NDArray[np.float64],
    flagged: Sequence[bool],
    words: Sequence[Lowered] = (),
    used: Mapping[str, Mapping[str, int]] | None = None,
    control: Sequence[bool] | None = None,
) -> list[str]:
    """Decisions of rows in order of time, each under what the teams had said for its block by its event time.

    `times` are read only where a word is about one of the blocks; `control` as in `decide_in_order`.
    """
    lowered = {word.block for word in words}
    if lowered.isdisjoint(blocks):
        return decide_in_order(policy, blocks, scores, flagged, used, control).decisions
    taken: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for block, counts in (used or {}).items():
        taken[block].update(counts)
    keys = [
        tuple(limits_at(words, block, at).items()) if block in lowered else ()
        for block, at in zip(blocks, times, strict=True)
    ]
    decisions: list[str] = []
    for key, run in groupby(keys):
        part = slice(len(decisions), len(decisions) + sum(1 for _ in run))
        under = with_limits(policy, dict(key))
        aside = control[part] if control is not None else None
        decided = decide_in_order(under, blocks[part], scores[part], flagged[part], taken, aside).decisions
        for block, decision in zip(blocks[part], decided, strict=True):
            taken[block][decision] += 1
        decisions += decided
    return decisions
