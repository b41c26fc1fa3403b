"""What was measured in a block, and whether that speaks for a rollback. Pure.

A measured KPI has no counterfactual: nobody knows what it would have been under another release. So its limit is an
absolute one, and blocks are bets against "the mean of a block's number keeps to the limit", until alpha says so.
"""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from shared.contract.kpis import Kpi, Limit, aggregate
from shared.contract.schema import Contract
from shared.evidence import betting_e_process

# How long values are kept after the end of their block; what comes later than that is too late.
KEPT = dt.timedelta(days=40)
# A sender's clock may be ahead, and in a replay the clock stands still for a day.
AHEAD = dt.timedelta(days=2)
# One absurd block never suffices, however far from its limit it lies.
FEWEST_BROKEN = 2
_LONGEST_LOOK = 1000


class Value(NamedTuple):
    """One measurement."""

    name: str
    unit: str
    value: float
    at: dt.datetime


class MeasuredBlock(NamedTuple):
    """A block's number as it entered evidence."""

    block: str
    value: float


@dataclass(frozen=True)
class NotJudged:
    """Nothing can be said, and why."""

    reason: str


@dataclass(frozen=True)
class Verdict:
    """What the blocks of a release say about one limit; `e_value` is the largest that any block has reached."""

    kpi: str
    unit: str
    limit: Limit
    bound: float
    alpha: float
    blocks: int
    broken: int
    mean: float
    e_value: float
    first_block: str
    last_block: str
    tipped_by: str | None
    fewest_blocks: int

    @property
    def threshold(self) -> float:
        """The e-value at which the evidence suffices."""
        return 1 / self.alpha

    @property
    def beyond(self) -> bool:
        """Whether the limit is broken: shown once, and still so on average."""
        shown = self.tipped_by is not None and self.broken >= FEWEST_BROKEN
        return shown and _is_beyond(self.mean, self.limit, self.bound)

    def evidence(self) -> dict[str, float]:
        """The numbers of `rollback_requested`; a block is told as 20130504."""
        return {
            "blocks": float(self.blocks),
            "broken_blocks": float(self.broken),
            "mean": self.mean,
            self.limit: self.bound,
            "e_value": self.e_value,
            "threshold": self.threshold,
            "first_block": float(self.first_block.replace("-", "")),
            "last_block": float(self.last_block.replace("-", "")),
        }

    def reason(self) -> str:
        """The same in a sentence that names the KPI, its limit and the blocks."""
        return (
            f"{self.kpi} is {self.mean:.4g} {self.unit} on average over {self.blocks} blocks, {self.first_block} to "
            f"{self.last_block}, {_SIDE[self.limit]} its {self.limit} {self.bound:g}, which {self.broken} of them broke"
            f" (e-value {self.e_value:.0f}, needed {self.threshold:.0f})"
        )


_SIDE: Mapping[Limit, str] = {"ceiling": "above", "floor": "below"}


def numbers_of(contract: Contract, values: Iterable[Value]) -> dict[str, dict[str, Any]]:
    """Every measured KPI of the contract in one block, as `kpi_reported` tells it; `values` in order of time."""
    found: dict[str, dict[str, Any]] = {}
    known = list(values)
    for name, kpi in contract.kpis.items():
        if kpi.aggregation is None:
            continue
        mine = [one.value for one in known if (one.name, one.unit) == (name, kpi.unit)]
        number = aggregate(kpi.aggregation, mine) if mine else None
        found[name] = {
            "value": number,
            "count": len(mine),
            "unit": kpi.unit,
            "aggregation": kpi.aggregation,
            "floor": kpi.floor,
            "ceiling": kpi.ceiling,
            "broken": None if number is None else kpi.broken_by(number),
        }
    return found


def of_release(at: dt.datetime, released: Sequence[tuple[int, dt.datetime]]) -> int:
    """The release that a measurement speaks of: in force at its time, among those that decided in the block.

    `released`: (sequence, since when), in order; what was measured before the first of them counts for that one.
    """
    return next((sequence for sequence, since in reversed(released) if since <= at), released[0][0])


def judge_measured(
    name: str,
    kpi: Kpi,
    alpha: float,
    blocks: Sequence[MeasuredBlock],
    others: Sequence[Sequence[MeasuredBlock]] = (),
) -> Verdict | NotJudged:
    """Judge the whole blocks of a release in block order; `others` are blocks of what it might go back to.

    Where another release broke the same limit on average, going back would help nobody. Two limits share `alpha`.
    """
    limits: list[tuple[Limit, float]] = []
    limits += [("ceiling", kpi.ceiling)] if kpi.ceiling is not None else []
    limits += [("floor", kpi.floor)] if kpi.floor is not None else []
    if kpi.range is None:
        return NotJudged(f"{name} has no range, and evidence needs bounds")
    if not blocks:
        return NotJudged(f"no whole block of this release has a number of {name} yet")
    verdicts = [_judge(name, kpi, limit, bound, alpha / len(limits), blocks) for limit, bound in limits]
    verdict = max(verdicts, key=lambda one: (one.beyond, one.e_value))
    for other in others:
        if verdict.beyond and other and _is_beyond(_mean(other), verdict.limit, verdict.bound):
            said = f"it was {_mean(other):.4g} over {len(other)} blocks of an earlier release, too"
            return NotJudged(f"{verdict.reason()}; but {said}")
    return verdict


def _judge(name: str, kpi: Kpi, limit: Limit, bound: float, alpha: float, blocks: Sequence[MeasuredBlock]) -> Verdict:
    assert kpi.range is not None
    (low, high), sign = kpi.range, 1.0 if limit == "ceiling" else -1.0
    values = [sign * one.value for one in blocks]
    low, high = sorted((sign * low, sign * high))
    e_values = betting_e_process(values, low, high, sign * bound)
    tipped = next((one.block for one, e in zip(blocks, e_values, strict=True) if e >= 1 / alpha), None)
    return Verdict(
        kpi=name,
        unit=kpi.unit or "",
        limit=limit,
        bound=bound,
        alpha=alpha,
        blocks=len(blocks),
        broken=sum(_is_beyond(one.value, limit, bound) for one in blocks),
        mean=_mean(blocks),
        e_value=max(e_values),
        first_block=blocks[0].block,
        last_block=blocks[-1].block,
        tipped_by=tipped,
        fewest_blocks=fewest_blocks(low, high, sign * bound, alpha),
    )


def fewest_blocks(low: float, high: float, bound: float, alpha: float) -> int:
    """How many blocks in a row at the far end of the range it takes at least, before a rollback is asked for.

    The nearer the limit is to the end of the range, the more.

    >>> [fewest_blocks(0.0, 2.0, ceiling, 0.01) for ceiling in (0.1, 0.4, 1.0, 1.8)]
    [2, 4, 9, 57]
    """
    e_values = betting_e_process([high] * _LONGEST_LOOK, low, high, bound)
    enough = next((count for count, e in enumerate(e_values, 1) if e >= 1 / alpha), _LONGEST_LOOK)
    return max(enough, FEWEST_BROKEN)


def _mean(blocks: Sequence[MeasuredBlock]) -> float:
    return aggregate("mean", [one.value for one in blocks])


def _is_beyond(value: float, limit: Limit, bound: float) -> bool:
    return value > bound if limit == "ceiling" else value < bound
