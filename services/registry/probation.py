"""PURE: when a forced release is on probation, and what stands in for it while it is."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.registry.releases import Past, rollback_target


@dataclass(frozen=True)
class Probation:
    """A forced release that has not earned its place yet; `last_good` is the last package that had.

    It lies in [since, until): `until` is when another release ended it, or else when its days are over.
    """

    sequence: int
    package: str
    since: datetime
    until: datetime
    last_good: str | None

    def touches(self, start: datetime, end: datetime) -> bool:
        """Whether some of what was decided in [start, end) was decided by the forced release."""
        return self.since < end and start < self.until


def list_probations(history: Sequence[Past], length: timedelta) -> list[Probation]:
    """Every probation of a use case, oldest first; `length` is the contract's, in event time.

    >>> at = datetime(2013, 5, 1)
    >>> def past(n, package, cause, forced=False):
    ...     return Past(n, package, package, "c", cause, forced, at + timedelta(days=n))
    >>> story = [past(1, "a", "first"), past(2, "b", "person", True), past(9, "a", "rollback")]
    >>> [(found.last_good, (found.until - at).days) for found in list_probations(story, timedelta(days=60))]
    [('a', 9)]
    """
    found = []
    for place, release in enumerate(history):
        if not release.forced:
            continue
        # A changed objective is a new release of the same package: it proves nothing, so it ends nothing.
        ended = [later.released_at for later in history[place + 1 :] if later.cause != "objective"]
        until = min([release.released_at + length, *ended])
        target = rollback_target(history[: place + 1], length)
        last_good = target.package if target else None
        found.append(Probation(release.sequence, release.package, release.released_at, until, last_good))
    return found


def probation_at(history: Sequence[Past], now: datetime, length: timedelta) -> Probation | None:
    """The probation that is running at `now`; while it does nobody is promoted."""
    return next((each for each in list_probations(history, length) if each.since <= now < each.until), None)
