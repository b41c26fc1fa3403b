"""What drift is judged by in one block: its mean excess loss, and its scores and losses counted in fixed bins. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from shared.package.bins import equal_mass_edges
from shared.package.manifest import Task

Floats = NDArray[np.float64]
LOSS_BINS = 32
# A mean of fewer rows says nothing about a day.
LEAST_ROWS = 10
LEAST_COVERAGE = 0.5


@dataclass(frozen=True)
class Kind:
    """What scores and labels mean, and the bins that a package fixes: one row of edges per score column."""

    task: Task
    classes: tuple[str, ...]
    score_edges: tuple[tuple[float, ...], ...]
    loss_edges: tuple[float, ...] = ()


@dataclass(frozen=True)
class BlockStatistics:
    """One block; `loss` is None where too few rows, or too few of them, have a label.

    `inputs` are the coarse counts of each column; `faults` what was wrong with the form of its rows; `cost_gap` what a
    labelled row cost more than its scores expected, minor units of the contract `terms`, and `gap_e_value` how sure it
    was then that such gaps grow: shown, never an alarm.
    """

    block: str
    rows: int
    labelled: int
    loss: float | None
    score_counts: tuple[tuple[int, ...], ...]
    loss_counts: tuple[int, ...]
    inputs: dict[str, tuple[int, ...]] = field(default_factory=dict)
    faults: tuple[str, ...] = ()
    cost_gap: float | None = None
    terms: str = ""
    gap_e_value: float | None = None

    @property
    def has_scores(self) -> bool:
        """Whether its score histogram says anything."""
        return sum(self.score_counts[0], 0) >= LEAST_ROWS if self.score_counts else False

    @property
    def reason(self) -> str | None:
        """Why the block cannot be judged at all; None where a signal can."""
        if self.loss is not None or self.has_scores:
            return None
        return f"block {self.block} has {self.rows} usable rows, at least {LEAST_ROWS} are needed"


def with_loss_bins(kind: Kind, losses: Floats) -> Kind:
    """Choose equal-mass bins for the losses from those of the reference."""
    return replace(kind, loss_edges=equal_mass_edges(losses, LOSS_BINS))


def summarise(
    kind: Kind,
    block: str,
    scores: Sequence[Sequence[float] | None],
    labels: Sequence[str | None],
    values: Sequence[float | None],
) -> BlockStatistics:
    """Reduce a block's rows; rows without a usable score vector are left out, whatever else they hold."""
    width = len(kind.score_edges)
    usable = [row for row, vector in enumerate(scores) if vector is not None and len(vector) == width]
    table = np.array([scores[row] for row in usable], dtype=np.float64).reshape(-1, width)
    finite: NDArray[np.bool_] = np.asarray(np.isfinite(table).all(axis=1))
    kept, table = [row for row, fine in zip(usable, finite.tolist(), strict=True) if fine], table[finite]
    losses = excess_losses(kind, table, [labels[row] for row in kept], [values[row] for row in kept])
    enough = len(losses) >= LEAST_ROWS and len(losses) >= LEAST_COVERAGE * len(kept)
    return BlockStatistics(
        block=block,
        rows=len(kept),
        labelled=len(losses),
        loss=float(losses.mean()) if enough else None,
        score_counts=tuple(_count(table[:, k], edges) for k, edges in enumerate(kind.score_edges)),
        loss_counts=_count(losses, kind.loss_edges),
    )


def excess_losses(kind: Kind, scores: Floats, labels: Sequence[str | None], values: Sequence[float | None]) -> Floats:
    """Return one number per labelled row: how much more the scores erred than they themselves expected.

    Binary (p - y)² - p(1 - p), multiclass Σ(p - y)² - Σp(1 - p): zero on average for calibrated scores, whatever the
    mix of easy and hard rows. Regression has no such promise: the squared error itself, compared with its reference.
    """
    if kind.task == "regression":
        truth = np.array([np.nan if value is None else value for value in values], dtype=np.float64)
        error = (scores[:, 0] - truth) ** 2 if len(truth) else truth
        return np.asarray(error[np.isfinite(error)])
    places = {label: place for place, label in enumerate(kind.classes)}
    known = np.array([places.get(label, -1) if label is not None else -1 for label in labels], dtype=np.int64)
    chances, known = scores[known >= 0], known[known >= 0]
    if kind.task == "binary":
        p = chances[:, 0]
        return np.asarray((p - (known == 1)) ** 2 - p * (1 - p))
    truth = np.eye(len(kind.classes))[known]
    return np.asarray(((chances - truth) ** 2 - chances * (1 - chances)).sum(axis=1))


def add(name: str, blocks: Sequence[BlockStatistics]) -> BlockStatistics:
    """Put the days of a week together; the loss is the mean over all their labelled rows."""
    judged = [(one.loss, one.labelled) for one in blocks if one.loss is not None]
    labelled = sum(count for _, count in judged)
    return BlockStatistics(
        block=name,
        rows=sum(one.rows for one in blocks),
        labelled=sum(one.labelled for one in blocks),
        loss=sum(loss * count for loss, count in judged) / labelled if labelled else None,
        score_counts=tuple(
            tuple(int(count) for count in np.sum(columns, axis=0))
            for columns in zip(*(one.score_counts for one in blocks), strict=True)
        ),
        loss_counts=tuple(int(count) for count in np.sum([one.loss_counts for one in blocks], axis=0)),
        inputs=_add_inputs(blocks),
    )


def _add_inputs(blocks: Sequence[BlockStatistics]) -> dict[str, tuple[int, ...]]:
    """Only columns that every day has, in the same groups."""
    names = set.intersection(*(set(one.inputs) for one in blocks))
    columns = {name: [one.inputs[name] for one in blocks] for name in sorted(names)}
    return {
        name: tuple(int(count) for count in np.sum(rows, axis=0))
        for name, rows in columns.items()
        if len({len(row) for row in rows}) == 1
    }


def _count(values: Floats, edges: Sequence[float]) -> tuple[int, ...]:
    slots = np.searchsorted(np.asarray(edges, dtype=np.float64), values, side="right")
    return tuple(np.bincount(slots, minlength=len(edges) + 1).tolist())
