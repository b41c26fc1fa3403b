"""Whether a release fails technically: workers refuse it, or too many of its requests fail. Pure.

Labels say after days that a model decides badly; these two say within minutes that it does not work at all.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from shared.contract.fields import USUAL_ERROR_RATE
from shared.contract.schema import Contract
from shared.events import ActivationReported

# Below this a share says little: one failure of three requests is no error rate.
FEWEST_REQUESTS = 20
_LONGEST_DETAIL = 1000


@dataclass(frozen=True)
class BlockRequests:
    """Requests of one release in one block; one that failed and was answered on a later try has not failed."""

    block: str
    failed: int
    answered: int

    @property
    def requests(self) -> int:
        """All that count: a refused request is its client's fault."""
        return self.failed + self.answered

    @property
    def share(self) -> float:
        """Share that failed."""
        return self.failed / self.requests if self.requests else 0.0


@dataclass(frozen=True)
class Trouble:
    """What speaks for a rollback: the fields of `rollback_requested`, and the event that led to it, if one did."""

    reason: str
    evidence: dict[str, float]
    cause: ActivationReported | None = None


@dataclass(frozen=True)
class Excused:
    """Requests fail, but the release is not why."""

    reason: str


def judge_activations(words: Sequence[ActivationReported]) -> Trouble | None:
    """Judge all that workers said about one release, in any order.

    A worker that refused it and serves it now does not count: it tried again, for instance when the store was back.
    """
    active = {(word.replica, word.worker) for word in words if word.status == "active"}
    refusals = {(word.replica, word.worker): word for word in words if word.status == "refused"}
    standing = [refusals[worker] for worker in sorted(refusals.keys() - active)]
    if not standing:
        return None
    first = min(standing, key=lambda word: word.time)
    checks = ", ".join(sorted({word.check or "unknown" for word in standing}))
    reason = (
        f"{len(standing)} of {len(standing) + len(active)} workers refused release {first.sequence} at {checks}: "
        f"{(first.detail or 'no detail given')[:_LONGEST_DETAIL]}"
    )
    return Trouble(reason, {"refused": float(len(standing)), "active": float(len(active))}, first)


def error_limit(contract: Contract) -> float:
    """Share of a block's requests above which a release is asked back."""
    return contract.rollback.max_error_rate or USUAL_ERROR_RATE


def worst_of(blocks: Sequence[BlockRequests], limit: float) -> BlockRequests | None:
    """The newest block with enough requests, where more than `limit` of them failed; blocks in block order.

    >>> worst_of([BlockRequests("2013-03-01", 9, 11), BlockRequests("2013-03-02", 3, 4)], 0.05).block
    '2013-03-01'
    """
    enough = [one for one in blocks if one.requests >= FEWEST_REQUESTS]
    return enough[-1] if enough and enough[-1].share > limit else None


def judge_errors(
    sequence: int, blocks: Sequence[BlockRequests], others: Sequence[Sequence[BlockRequests]], limit: float
) -> Trouble | Excused | None:
    """Judge the newest blocks of a release beside those of others: its rollback target, and what it replaced.

    Where one of them failed in the same way (above the limit too, and at least half as often), going back would help
    nobody.
    """
    found = worst_of(blocks, limit)
    if found is None:
        return None
    said = (
        f"{found.failed} of {found.requests} requests of release {sequence} failed in block {found.block}: "
        f"{found.share:.1%}, above the limit {limit:.1%}"
    )
    for other in others:
        same = worst_of(other, limit)
        if same and same.share >= found.share / 2:
            return Excused(f"{said}; but {same.share:.1%} failed in block {same.block} of an earlier release, too")
    numbers = {"failed": found.failed, "requests": found.requests, "share": found.share, "limit": limit}
    return Trouble(said, {name: float(number) for name, number in numbers.items()})


def may_ask(contract: Contract, last_asked: dt.datetime | None, now: dt.datetime) -> bool:
    """Whether to ask now: once per release and KPI, and again where the release is still there after the cooldown."""
    return last_asked is None or now >= contract.rollback.cooldown.after(last_asked)
