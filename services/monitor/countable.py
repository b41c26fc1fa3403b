"""What a contract asks of data events, prepared for many of them: a quick yes, a no comes from contents.py. Pure."""

import datetime as dt

from services.monitor.contents import FIRST_DAY, LAST_DAY
from shared.contract.capacity import block_bounds
from shared.contract.policy import derive_policy
from shared.contract.schema import Contract
from shared.contract.value import outcome_problem
from shared.events.quick import Served, Told

_BLOCKS = 10_000
_DAY = dt.timedelta(days=1)
# Where the offset from UTC changes nearer to midnight than this, a local day need not be one stretch of time.
_CALM = dt.timedelta(minutes=90)
_FIRST = dt.datetime.combine(FIRST_DAY, dt.time(), dt.UTC)
_AFTER = dt.datetime.combine(LAST_DAY + _DAY, dt.time(), dt.UTC)
Bounds = tuple[dt.datetime, dt.datetime]
_NEVER: Bounds = (_FIRST, _FIRST)


class Countable:
    """One contract; where it says True, `contents` has nothing to say."""

    def __init__(self, contract: Contract) -> None:
        self._contract, self._policy = contract, derive_policy(contract)
        self._decisions = frozenset(self._policy.decisions)
        self._width = len(self._policy.classes) if self._policy.task == "multiclass" else 1
        self._bounds: dict[str, Bounds] = {}

    def decisions(self, event: Served) -> bool:
        """Whether these decisions can be counted."""
        for time, block in zip(event.event_times, event.blocks, strict=True):
            first, following = self._bounds.get(block) or self._remember(block)
            if not first <= time < following:
                return False
        if event.use_case != self._contract.use_case or not self._decisions.issuperset(event.decisions):
            return False
        return all(len(scores) == self._width for scores in event.scores)

    def outcomes(self, event: Told) -> bool:
        """Whether these outcomes can be counted."""
        return all(
            _FIRST <= one.known_at < _AFTER and outcome_problem(self._policy, one.label, one.value) is None
            for one in event.outcomes
        )

    def _remember(self, block: str) -> Bounds:
        if len(self._bounds) >= _BLOCKS:
            self._bounds.clear()
        self._bounds[block] = found = self._bounds_of(block)
        return found

    def _bounds_of(self, block: str) -> Bounds:
        """The moments of a block in UTC; none where that takes a closer look."""
        try:
            day = dt.date.fromisoformat(block)
        except ValueError:
            return _NEVER
        if day.isoformat() != block or not FIRST_DAY < day < LAST_DAY:
            return _NEVER
        bounds = block_bounds(self._contract, block)
        offsets = [[(at + by).astimezone(self._contract.zone).utcoffset() for by in (-_CALM, _CALM)] for at in bounds]
        return bounds if all(before == after for before, after in offsets) else _NEVER


class Unknown:
    """No contract that is known here: only `contents` can say."""

    def decisions(self, _event: Served) -> bool:
        """Never."""
        return False

    def outcomes(self, _event: Told) -> bool:
        """Never."""
        return False


UNKNOWN = Unknown()
