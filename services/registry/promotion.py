"""PURE: whether the open candidate has earned its place, by a test that may be looked at any day.

The evidence is paired: on each judged block after the candidate's training data, what was served cost so much and the
candidate would have cost so much on the same rows. Only the sign of a block's difference counts.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from services.registry.probation import Probation, probation_at
from services.registry.releases import Past
from shared.contract import Contract, block_bounds
from shared.contract.schema import Retraining
from shared.events import PackageEvaluated
from shared.evidence import sign_e_process

HYPOTHESIS = "better on more than half of the days"


@dataclass(frozen=True)
class Pair:
    """One judged block: what the candidate would have saved, in minor units, and the event that says so."""

    block: str
    saved_minor: int
    against_last_good: bool
    event_id: str
    selected: bool = False


@dataclass(frozen=True)
class Judgement:
    """What the evidence says now; `e_value` counts against "on half of the days or fewer"."""

    promote: bool
    e_value: float
    threshold: float
    alpha: float
    blocks: int
    better: int
    worse: int
    against_last_good: int
    saved_minor: int
    selected: bool = False

    @property
    def explanation(self) -> str:
        """The hypothesis and the numbers, in a sentence for the ledger."""
        instead = f", {self.against_last_good} of them against the last package that earned its place"
        notes = instead if self.against_last_good else ""
        notes += ", on selected labels: only some decisions show one" if self.selected else ""
        return (
            f"{HYPOTHESIS}: {self.better} better and {self.worse} worse of {self.blocks} judged blocks after its "
            f"training data{notes}; e-value {self.e_value:.4g}, "
            f"needed {self.threshold:.4g} (alpha {self.alpha:g})"
        )


def pair_up(
    contract: Contract,
    train_until: datetime,
    candidate: Iterable[PackageEvaluated],
    last_good: Iterable[PackageEvaluated],
    probations: Sequence[Probation],
) -> list[Pair]:
    """The evidence in block order, from the evaluations of the candidate and of rollback targets.

    A block that a release on probation had a hand in is compared with the last package that had earned its place; as
    long as that package was not evaluated on it, the block says nothing.
    """
    stand_in = {(event.package_digest, event.block): event.cost_minor for event in last_good}
    pairs = []
    for event in sorted(candidate, key=lambda each: each.block):
        start, end = block_bounds(contract, event.block)
        if start < train_until:
            continue
        forced = next((each for each in probations if each.last_good and each.touches(start, end)), None)
        if forced is None:
            cost: int | None = event.served_cost_minor
        else:
            cost = stand_in.get((forced.last_good or "", event.block))
        if cost is not None:
            pairs.append(Pair(event.block, cost - event.cost_minor, forced is not None, event.id, event.selected))
    return pairs


def should_promote(evidence: Sequence[Pair], retraining: Retraining) -> Judgement:
    """Promote when the newest e-value reaches 1/alpha; without evidence the e-value is 1.

    If the candidate is not better on more than half of the days that differ, whatever came before, the chance that
    this is ever reached is at most alpha (Ville).
    """
    e_values = sign_e_process([pair.saved_minor for pair in evidence])
    e_value, threshold = (e_values[-1] if e_values else 1.0), 1 / retraining.alpha
    return Judgement(
        promote=e_value >= threshold,
        e_value=e_value,
        threshold=threshold,
        alpha=retraining.alpha,
        blocks=len(evidence),
        better=sum(pair.saved_minor > 0 for pair in evidence),
        worse=sum(pair.saved_minor < 0 for pair in evidence),
        against_last_good=sum(pair.against_last_good for pair in evidence),
        saved_minor=sum(pair.saved_minor for pair in evidence),
        selected=any(pair.selected for pair in evidence),
    )


def why_not_now(history: Sequence[Past], now: datetime, probation: timedelta) -> str | None:
    """What forbids every promotion at this step, however good the evidence; None when nothing does."""
    if any(past.cause == "rollback" and past.released_at == now for past in history):
        return "a rollback was granted in this step"
    running = probation_at(history, now, probation)
    if running is not None:
        return f"release {running.sequence} was forced and is on probation until {running.until.isoformat()}"
    return None


def is_day(block: str) -> bool:
    """Whether a block's name is a day that its bounds can be computed for.

    >>> is_day("2013-03-01"), is_day("20130301"), is_day("2013-02-30"), is_day("9999-12-31")
    (True, False, False, False)
    """
    try:
        return date.fromisoformat(block).isoformat() == block and "1900" <= block < "9000"
    except ValueError:
        return False
