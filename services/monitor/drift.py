"""Does a package err more than its reference said, or score otherwise? An alarm for a look at every block. Pure.

Two triggers share α: the excess loss, upward only, with three quarters, and the score histogram with one. What is
exchangeable while nothing drifts, the contract says: whole days or weeks (then a block's statistic is ranked among
those of the reference and of the epoch so far), or rows (then each block is a window against the pool before it).
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from services.monitor.block_statistics import BlockStatistics, add
from services.monitor.two_sample import SCALES, Test, ks_p, ks_upward_p, pooled_evidence
from shared.evidence import conformal_p, spending, uniform_of
from shared.evidence.ranks import e_process_of_p

Floats = NDArray[np.float64]
Unit = Literal["row", "day", "week"]
Signal = Literal["excess_loss", "score"]
SHARES: dict[Signal, float] = {"excess_loss": 0.75, "score": 0.25}
METHODS: dict[Unit, str] = {
    "row": "pooled two-sample test, mixed over start times",
    "day": "conformal rank of days, mixed over start times",
    "week": "conformal rank of weeks, mixed over start times",
}
RECENT = 7
LEAST_REFERENCE: dict[Unit, int] = {"row": 1, "day": 4, "week": 2}
_LEAST_DAYS_OF_A_WEEK = 4


@dataclass(frozen=True)
class Watch:
    """What is watched for: the contract's unit and α, and the names that randomised ranks are drawn from."""

    use_case: str
    unit: Unit
    alpha: float
    epoch: int
    seed: int = 0

    @property
    def epoch_alpha(self) -> float:
        """What this epoch may spend."""
        return spending(self.alpha, self.epoch)


@dataclass(frozen=True)
class Verdict:
    """What an epoch's evidence says after its last block; `reason` says why that cannot be judged, if it cannot."""

    unit: Unit
    method: str
    epoch: int
    alpha: float
    e_value: float = 1.0
    signals: dict[Signal, float] = field(default_factory=dict)
    effect_size: float = 0.0
    reason: str | None = None

    @property
    def threshold(self) -> float:
        """The e-value that raises the alarm."""
        return 1 / self.alpha

    @property
    def alarm(self) -> bool:
        """Whether the evidence suffices; what cannot be judged never alarms."""
        return self.reason is None and self.e_value >= self.threshold


def judge_drift(watch: Watch, reference: Sequence[BlockStatistics], blocks: Sequence[BlockStatistics]) -> Verdict:
    """Judge an epoch: `reference` are out-of-sample blocks of its package, `blocks` its judged blocks in order."""
    units = in_units(watch, reference)
    usable = [one for one in units if one.reason is None]
    needed = LEAST_REFERENCE[watch.unit]
    if len(usable) < needed:
        return _verdict(watch, reason=f"the reference has {len(usable)} {watch.unit}s, at least {needed} are needed")
    if not blocks:
        return _verdict(watch, reason="no block of this epoch is judged")
    known = len(usable[0].score_counts), len(usable[0].score_counts[0])
    if any((len(one.score_counts), len(one.score_counts[0])) != known for one in blocks):
        return _verdict(watch, reason="a block's scores are counted in other bins than the reference's")
    series = in_units(watch, blocks, ended=True)
    evidence = _evidence_of_rows if watch.unit == "row" else _evidence_of_units
    signals = evidence(watch, usable, series)
    return _verdict(
        watch,
        e_value=max((SHARES[name] * value for name, value in signals.items()), default=1.0),
        signals=signals,
        effect_size=effect_size(reference, blocks),
        reason=blocks[-1].reason,
    )


def gap_evidence(watch: Watch, reference: Sequence[float], gaps: Sequence[tuple[str, float]]) -> float | None:
    """Return the e-value of "blocks cost more than their own scores expect", given (block, gap) in order.

    Ranked among the reference's gaps and all earlier ones. It is shown and never alarms: what scores expect is silent
    about the very change that makes them wrong, and the excess loss, which does alarm, is its twin in squared error.
    None where the reference has too few blocks, or there is none to judge.
    """
    if len(reference) < LEAST_REFERENCE["day"] or not gaps:
        return None
    draws = _draws(watch, "cost_gap", [block for block, _ in gaps])
    return e_process_of_p(loss_ranks(reference, [gap for _, gap in gaps], draws))[-1]


def effect_size(reference: Sequence[BlockStatistics], blocks: Sequence[BlockStatistics]) -> float:
    """Return the mean loss of the last blocks less that of the reference; 0 where one of them is not known."""
    before = [one.loss for one in reference if one.loss is not None]
    now = [one.loss for one in blocks[-RECENT:] if one.loss is not None]
    return float(np.mean(now) - np.mean(before)) if before and now else 0.0


def _verdict(watch: Watch, **found: object) -> Verdict:
    return Verdict(watch.unit, METHODS[watch.unit], watch.epoch, watch.epoch_alpha, **found)  # type: ignore[arg-type]


def _evidence_of_units(
    watch: Watch, reference: Sequence[BlockStatistics], blocks: Sequence[BlockStatistics]
) -> dict[Signal, float]:
    evidence: dict[Signal, float] = {}
    losses = [(one.block, one.loss) for one in blocks if one.loss is not None]
    history = [one.loss for one in reference if one.loss is not None]
    if losses and history:
        ps = loss_ranks(history, [loss for _, loss in losses], _draws(watch, "excess_loss", [b for b, _ in losses]))
        evidence["excess_loss"] = e_process_of_p(ps)[-1]
    scored = [one for one in blocks if one.has_scores]
    histories = [one for one in reference if one.has_scores]
    if scored and histories:
        draws = _draws(watch, "score", [one.block for one in scored])
        ps = histogram_ranks(cumulative(histories), cumulative(scored), draws)
        evidence["score"] = e_process_of_p(ps)[-1]
    return evidence


def _evidence_of_rows(
    watch: Watch, reference: Sequence[BlockStatistics], blocks: Sequence[BlockStatistics]
) -> dict[Signal, float]:
    def evidence(before: Floats, windows: Floats, test: Test) -> float:
        found = pooled_evidence(before.sum(axis=0), windows, test)[-1]
        # Columns are averaged, scales share α.
        return float(found.reshape(len(SCALES), -1).mean(axis=1).max()) / len(SCALES)

    parts = [(one.loss_counts for one in side) for side in (reference, blocks)]
    before, now = (np.array(list(part), dtype=np.float64) for part in parts)
    signals: dict[Signal, float] = {}
    if before.shape[1:] == now.shape[1:] and now.sum() and before.sum():
        signals["excess_loss"] = evidence(before, now, ks_upward_p)
    before, now = (np.array([one.score_counts for one in side], dtype=np.float64) for side in (reference, blocks))
    signals["score"] = evidence(before, now, ks_p)
    return signals


def loss_ranks(history: Sequence[float], losses: Sequence[float], draws: Sequence[float]) -> list[float]:
    """Return the p-value of each block's loss among all before it: small when it is larger than most."""
    every = np.array([*history, *losses])
    first = len(history)
    return [conformal_p(every[: first + t], every[first + t], draw) for t, draw in enumerate(draws)]


def histogram_ranks(history: Floats, blocks: Floats, draws: Sequence[float]) -> list[float]:
    """Return the p-value of each block's cumulative histogram [blocks, bins]: small when it lies farther out than most.

    Every block so far, the new one too, is measured by its largest distance to the mean of them all: symmetric, hence
    an exact rank.
    """
    every = np.concatenate([history, blocks])
    means = np.cumsum(every, axis=0) / np.arange(1, len(every) + 1)[:, None]
    ps = []
    for last, draw in enumerate(draws, len(history)):
        distances = np.abs(every[: last + 1] - means[last]).max(axis=1)
        ps.append(conformal_p(distances[:-1], distances[-1], draw))
    return ps


def column_ranks(watch: Watch, column: str, history: Floats, blocks: Floats, names: Sequence[str]) -> list[float]:
    """Return the p-value of each block of one column, [blocks, bins] cumulative shares, as for the histogram."""
    draws = [uniform_of(watch.seed, watch.use_case, watch.epoch, name, "column", column) for name in names]
    return histogram_ranks(history, blocks, draws)


def cumulative(blocks: Sequence[BlockStatistics]) -> Floats:
    """Return one row per block: the cumulative shares of its scores, column after column."""
    counts = np.array([one.score_counts for one in blocks], dtype=np.float64)
    shares = np.cumsum(counts, axis=2) / counts.sum(axis=2, keepdims=True)
    return np.asarray(shares.reshape(len(blocks), -1))


def _draws(watch: Watch, signal: str, blocks: Sequence[str]) -> list[float]:
    return [uniform_of(watch.seed, watch.use_case, watch.epoch, block, signal) for block in blocks]


def in_units(watch: Watch, blocks: Sequence[BlockStatistics], *, ended: bool = False) -> list[BlockStatistics]:
    """Return the blocks as the contract's unit has them: days as they are, or put together by week."""
    return _weeks(blocks, ended=ended) if watch.unit == "week" else list(blocks)


def _weeks(blocks: Sequence[BlockStatistics], *, ended: bool = False) -> list[BlockStatistics]:
    """Put days together by ISO week; weeks of fewer than four days are left out, and one that still goes on."""

    def week(one: BlockStatistics) -> str:
        year, number, _ = dt.date.fromisoformat(one.block).isocalendar()
        return f"{year}-W{number:02}"

    found = [(name, list(days)) for name, days in groupby(blocks, key=week)]
    if ended and found and dt.date.fromisoformat(blocks[-1].block).isoweekday() < 7:
        found.pop()
    return [add(name, days) for name, days in found if len(days) >= _LEAST_DAYS_OF_A_WEEK]
