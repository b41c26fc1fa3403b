"""PURE: whether a request for training becomes a run; every refusal says why, and when it would be free."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count
from typing import Literal

from shared.contract import Contract, block_bounds, block_of
from shared.contract.durations import Duration

Kind = Literal["person", "service", "drift", "schedule"]
# What comes first when several requests are decided at one clock step.
ORDER: tuple[Kind, ...] = ("person", "service", "drift", "schedule")
# After so many retrainings in a row that did not help, drift waits no longer than it does already.
MOST_DOUBLINGS = 3


@dataclass(frozen=True)
class Ask:
    """One request. `signs` names what it is about: two requests that share a sign are one.

    `warns`: drift whose known impact is too little to act on.
    """

    id: str
    use_case: str
    kind: Kind
    reason: str
    signs: frozenset[str] = frozenset()
    warns: bool = False


@dataclass(frozen=True)
class Started:
    """A run that was started; `as_of` is event time."""

    run_id: str
    as_of: datetime
    signs: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Standing:
    """What the governor looks at: the contract in force, the runs so far, oldest first, and what became of them.

    `unhelpful` counts the latest retrainings in a row whose candidate was rejected or expired.
    """

    contract: Contract | None
    open_runs: tuple[str, ...] = ()
    started: tuple[Started, ...] = ()
    unhelpful: int = 0


@dataclass(frozen=True)
class Verdict:
    """Start a run, or declined because of `reason`."""

    start: bool
    reason: str


def in_order(asks: Sequence[Ask]) -> list[Ask]:
    """People first, then services, drift, schedule; then id.

    >>> [ask.kind for ask in in_order([Ask("1", "toy", "drift", ""), Ask("2", "toy", "person", "")])]
    ['person', 'drift']
    """
    return sorted(asks, key=lambda ask: (ORDER.index(ask.kind), ask.id))


def govern(ask: Ask, standing: Standing, now: datetime) -> Verdict:
    """Decide on one request at `now`.

    One run per use case at a time, since a second one would be fitted on the same rows, and so many a day: that binds
    everybody. Cooldown and back-off bind drift; the schedule waits for the cooldown only.
    """
    contract = standing.contract
    if contract is None:
        return _declined(f"no contract was applied for {ask.use_case} yet")
    if ask.warns:
        return _declined(f"this is a warning, which costs less than monitoring.least_impact: {ask.reason}")
    if same := next((run for run in standing.started if run.signs & ask.signs), None):
        return _declined(f"run {same.run_id} was started for the same cause already")
    if standing.open_runs:
        return _declined(f"run {standing.open_runs[0]} of {ask.use_case} is not finished yet; free when it is")
    if ask.kind in ("drift", "schedule") and ask.kind not in contract.retraining.on:
        return _declined(f"the contract does not retrain on {ask.kind}")
    if why := _waits(ask, standing, contract, now):
        return _declined(why)
    free = budget_is_free(contract, standing.started, now)
    if free > now:
        limit = contract.retraining.runs_per_day
        return _declined(f"{limit} runs of {ask.use_case} were started today, as many as allowed; free at {_at(free)}")
    return Verdict(True, ask.reason)


def _waits(ask: Ask, standing: Standing, contract: Contract, now: datetime) -> str | None:
    """Why drift or the schedule must wait."""
    if ask.kind not in ("drift", "schedule") or not standing.started:
        return None
    unhelpful = standing.unhelpful if ask.kind == "drift" else 0
    wait = cooldown(contract, unhelpful)
    free = _later(contract, standing.started[-1].as_of, wait)
    if now >= free:
        return None
    why = f"the last run was {_at(standing.started[-1].as_of)} and the cooldown is {contract.retraining.cooldown}"
    if unhelpful:
        why += f", {wait // contract.retraining.cooldown.delta} times that after retrainings that did not help"
        why += f" ({unhelpful} in a row)"
    return f"{why}; free at {_at(free)}"


def cooldown(contract: Contract, unhelpful: int) -> timedelta:
    """How long drift waits after a run: doubled by each retraining in a row that did not help, up to a bound."""
    return contract.retraining.cooldown.delta * (1 << min(unhelpful, MOST_DOUBLINGS))


def budget_is_free(contract: Contract, started: Sequence[Started], now: datetime) -> datetime:
    """`now` when another run is allowed today, a calendar day of the contract; else the start of the next day."""
    today = block_of(contract, now)
    runs = sum(block_of(contract, run.as_of) == today for run in started)
    return now if runs < contract.retraining.runs_per_day else block_bounds(contract, today)[1]


def schedule_due(standing: Standing, now: datetime) -> datetime | None:
    """When the schedule's run became due, if it did: the first of its dates after the last run, of whatever cause.

    The dates are counted from the first run, so that a retraining for drift moves none of them. Its run waits for the
    cooldown, for a run that is not finished and for the budget, and asks only then. Before the first run nothing is
    due. Months and days are those of the contract's calendar.
    """
    contract = standing.contract
    if contract is None or not standing.started or standing.open_runs:
        return None
    every, last = contract.retraining.every, standing.started[-1].as_of
    if every is None or "schedule" not in contract.retraining.on:
        return None
    first = standing.started[0].as_of.astimezone(contract.zone)
    due = max(
        _date_after(every, first, last.astimezone(contract.zone)),
        _later(contract, last, contract.retraining.cooldown.delta),
    ).astimezone(now.tzinfo)
    return due if due <= now and budget_is_free(contract, standing.started, now) <= now else None


def _date_after(every: Duration, first: datetime, last: datetime) -> datetime:
    """The first of the dates `first` + n periods that is later than `last`; both in the contract's zone."""
    months = (last.year - first.year) * 12 + last.month - first.month
    passed = months // every.count if every.unit == "month" else (last - first) // every.delta
    dates = (every.times(number).after(first) for number in count(max(passed, 1)))
    return next(date for date in dates if date > last)


def streak(ends: Sequence[str]) -> int:
    """How many retrainings in a row did not help, from what became of each package, oldest first.

    A superseded or still open candidate says nothing; a released one helped.

    >>> streak(["rejected", "released", "rejected", "superseded", "expired", "open"])
    2
    """
    found = 0
    for end in reversed(ends):
        if end == "released":
            break
        found += end in ("rejected", "expired")
    return found


def _later(contract: Contract, moment: datetime, wait: timedelta) -> datetime:
    """By the contract's calendar, so that a wait of days ends at the same hour when clocks change."""
    return (moment.astimezone(contract.zone) + wait).astimezone(moment.tzinfo)


def _declined(why: str) -> Verdict:
    return Verdict(False, f"declined, because {why}")


def _at(moment: datetime) -> str:
    return moment.isoformat(timespec="minutes")
