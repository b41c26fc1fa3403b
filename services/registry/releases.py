"""PURE: what a use case can go back to, and whether a request to roll back may be granted."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from shared.contract.schema import Rollback

Cause = Literal["first", "promotion", "person", "rollback", "objective"]


@dataclass(frozen=True)
class Past:
    """One release of a use case, as the ledger remembers it; times are event times."""

    sequence: int
    package: str
    behaviour: str
    contract: str
    cause: Cause
    forced: bool
    released_at: datetime


@dataclass(frozen=True)
class Refusal:
    """A request that is not granted: which rule, in a word, and why, in a sentence."""

    rule: str
    explanation: str


@dataclass(frozen=True)
class RollbackAsk:
    """Somebody wants the current release taken back; `to` and `sequence` bind only when given."""

    now: datetime
    by_person: bool
    to: str | None = None
    sequence: int | None = None


def good_packages(history: Sequence[Past], probation: timedelta) -> list[Past]:
    """The packages that stand behind the current one, oldest first, the current one last.

    A rollback takes away what it undid, so that two rollbacks in a row never bring the bad package back. A forced
    release that was replaced before its `probation` was over is not kept: it never earned its place.

    >>> at = datetime(2013, 3, 1)
    >>> def past(n, package, cause): return Past(n, package, package, "c", cause, False, at)
    >>> story = [past(1, "a", "first"), past(2, "b", "person"), past(3, "a", "rollback")]
    >>> [release.package for release in good_packages(story, timedelta(days=60))]
    ['a']
    """
    standing: list[Past] = []
    for release in history:
        places = [place for place, known in enumerate(standing) if known.package == release.package]
        if release.cause == "objective" and standing and standing[-1].package == release.package:
            continue
        if release.cause == "rollback":
            standing = standing[: places[0]] if places else standing[:-1]
        else:
            earned = [
                known for known in standing if not known.forced or release.released_at - known.released_at >= probation
            ]
            standing = [known for known in earned if known.package != release.package]
        standing.append(release)
    return standing


def rollback_target(history: Sequence[Past], probation: timedelta) -> Past | None:
    """The last good package before the current one; None when there is nothing to go back to."""
    return next(iter(reversed(good_packages(history, probation)[:-1])), None)


def earned_packages(history: Sequence[Past], probation: timedelta) -> set[str]:
    """The packages that earned their place at any time: released without force, or forced and still there at the end.

    >>> at = datetime(2013, 3, 1)
    >>> def past(n, package, forced=False): return Past(n, package, package, "c", "person", forced, at + n * probation)
    >>> probation = timedelta(days=60)
    >>> sorted(earned_packages([past(1, "a"), past(2, "f", True), past(3, "b"), past(4, "g", True)], probation))
    ['a', 'b', 'f']
    """
    # A changed objective is a new release of the same package: it proves nothing.
    acts = [release for release in history if release.cause != "objective"]
    ends = [following.released_at for following in acts[1:]]
    outlived = {
        release.package for release, end in zip(acts, ends, strict=False) if end - release.released_at >= probation
    }
    return {release.package for release in acts if not release.forced} | outlived


def judge_rollback(
    ask: RollbackAsk, history: Sequence[Past], usable: Collection[str], rules: Rollback
) -> Past | Refusal:
    """The release to go back to, or why not.

    `usable` are the packages that are in the store, verified, and fit the current contract; `rules` are the contract's.
    The cooldown, in event time, binds services only: a person may always go back.
    """
    cooldown = rules.cooldown.delta
    if not history:
        return Refusal("nothing_released", "nothing is released yet, so there is nothing to roll back")
    current = history[-1]
    if ask.sequence is not None and ask.sequence != current.sequence:
        return Refusal("stale_sequence", f"release {ask.sequence} is not in force any more: {current.sequence} is")
    last = max((past.released_at for past in history if past.cause == "rollback"), default=None)
    if not ask.by_person and last is not None and ask.now < last + cooldown:
        return Refusal("cooldown", f"the last rollback was at {last.isoformat()}; the next is free {cooldown} later")
    target = _named(ask.to, history) if ask.to else rollback_target(history, rules.probation.delta)
    if target is None:
        unknown = f"package {ask.to} was never released" if ask.to else "no other good package was released before"
        return Refusal("no_target", f"{unknown}; name one that was with `to`, or release a package by hand")
    if target.package == current.package:
        return Refusal("same_package", f"package {target.package} is what is served now")
    if target.package not in earned_packages(history, rules.probation.delta):
        # Otherwise a rollback would be a way past the gates for those who may not force.
        return Refusal("never_earned", f"package {target.package} was only ever forced; release it by hand")
    if target.package not in usable:
        return Refusal("target_not_usable", f"package {target.package} is missing, damaged, or unfit for the contract")
    return target


def _named(package: str, history: Sequence[Past]) -> Past | None:
    return next((past for past in reversed(history) if past.package == package), None)


def next_release(history: Sequence[Past], following: Past, probation: timedelta) -> dict[str, Any]:
    """The fields of `model_released` that follow from history: the next sequence, and what to keep warm behind it."""
    target = rollback_target([*history, following], probation)
    return {
        "sequence": history[-1].sequence + 1 if history else 1,
        "package_digest": following.package,
        "behaviour_digest": following.behaviour,
        "contract_digest": following.contract,
        "cause": following.cause,
        "forced": following.forced,
        "rollback_target": target.package if target else None,
    }
