"""Decides rows again in event order, with a capacity ledger of its own: for gates, forecasts and candidates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.contract.decide import Reason
from shared.contract.policy import CONSTANT, ESTIMATE, Policy
from shared.contract.shadow_price import expected_costs
from shared.contract.value import cost_minor

_WORDS: tuple[Reason, ...] = ("cost", "capacity", "flagged", "control")


@dataclass(frozen=True)
class Replayed:
    """One entry per row, in the order given; `places` are places in the capacity ledger."""

    decisions: list[str]
    reasons: list[Reason]
    places: list[int | None]


def decide_in_order(
    policy: Policy,
    blocks: Sequence[str],
    scores: Sequence[Sequence[float]] | NDArray[np.float64],
    flagged: Sequence[bool] | NDArray[np.bool_] | None = None,
    used: Mapping[str, Mapping[str, int]] | None = None,
    control: Sequence[bool] | NDArray[np.bool_] | None = None,
) -> Replayed:
    """What `decide` would say row after row; the rows must come sorted by (event time, prediction id).

    `flagged` and `control` are decided without the model, and take no capacity. Every block starts with its full
    capacity, less what is `used` of it. ValueError where columns differ in length or scores are not finite.
    """
    table = np.asarray(scores, dtype=np.float64)
    if not blocks:
        return Replayed([], [], [])
    width = 1 if policy.task in ("binary", "regression") else len(policy.classes)
    if table.shape != (len(blocks), width):
        raise ValueError(f"{len(blocks)} blocks and scores of shape {table.shape} do not fit")
    if not np.isfinite(table).all():
        raise ValueError("scores must be finite")
    aside = _set_aside(len(blocks), flagged, control)
    if policy.task == "regression":
        found = _words(np.zeros(len(blocks), dtype=np.int64) if aside is None else aside)
        return Replayed([ESTIMATE if word == "cost" else CONSTANT for word in found], found, [None] * len(blocks))
    return _classify(policy, blocks, table, aside, used or {})


def _set_aside(
    rows: int,
    flagged: Sequence[bool] | NDArray[np.bool_] | None,
    control: Sequence[bool] | NDArray[np.bool_] | None,
) -> NDArray[np.int64] | None:
    """Why each row is decided without the model, as a place in `_WORDS`, 0 where it is not; None where all are not.

    No flagged row is a control case.
    """
    if flagged is None and control is None:
        return None
    found = np.zeros(rows, dtype=np.int64)
    for marks, word in ((control, "control"), (flagged, "flagged")):
        if marks is not None:
            if len(marks) != rows:
                raise ValueError(f"{rows} blocks and {len(marks)} flags do not fit")
            found[np.asarray(marks, dtype=bool)] = _WORDS.index(word)
    return found


def _words(reasons: NDArray[np.int64]) -> list[Reason]:
    return [_WORDS[each] for each in reasons.tolist()]


def _classify(
    policy: Policy,
    blocks: Sequence[str],
    scores: NDArray[np.float64],
    aside: NDArray[np.int64] | None,
    used: Mapping[str, Mapping[str, int]],
) -> Replayed:
    names = [rule.name for rule in policy.rules]
    expected = expected_costs([rule.costs for rule in policy.rules], scores)
    priced = expected + np.array([rule.shadow_price for rule in policy.rules])
    cheapest, taken = expected.argmin(axis=1), priced.argmin(axis=1)
    places = np.zeros(len(blocks), dtype=np.int64)
    if policy.limits:
        inside = np.arange(len(blocks)) if aside is None else np.flatnonzero(aside == 0)
        for block, rows in _by_block(blocks, inside):
            _ration(policy, used.get(block, {}), priced, rows, taken, places)
    reasons = (taken != cheapest).astype(np.int64)
    if aside is not None:
        reasons = np.where(aside, aside, reasons)
        taken[aside > 0] = names.index(policy.without_model)
    return Replayed(
        [names[each] for each in taken.tolist()],
        _words(reasons),
        [place or None for place in places.tolist()],
    )


def _by_block(blocks: Sequence[str], rows: NDArray[np.int64]) -> Iterator[tuple[str, NDArray[np.int64]]]:
    """Yield each block with its rows, in order."""
    if blocks.count(blocks[0]) == len(blocks):
        yield blocks[0], rows
        return
    number = {block: place for place, block in enumerate(dict.fromkeys(blocks))}
    of_row = np.fromiter(map(number.__getitem__, blocks), np.int64, len(blocks))[rows]
    order = np.argsort(of_row, kind="stable")
    ends = np.flatnonzero(np.diff(of_row[order])) + 1
    for part in np.split(rows[order], ends):
        if len(part):
            yield blocks[part[0]], part


def _ration(
    policy: Policy,
    before: Mapping[str, int],
    priced: NDArray[np.float64],
    rows: NDArray[np.int64],
    taken: NDArray[np.int64],
    places: NDArray[np.int64],
) -> None:
    """Decide the rows of one block in stretches: within one, nothing runs out before its last row.

    `taken` comes with what each row takes while nothing has run out.
    """
    taken_of = {place: before.get(rule.name, 0) for place, rule in enumerate(policy.rules) if rule.capacity is not None}
    left = {place: (policy.rules[place].capacity or 0) - count for place, count in taken_of.items()}
    while len(rows):
        full = [place for place, count in left.items() if count <= 0]
        chosen = taken[rows]
        if full:
            costs = priced[rows]
            costs[:, full] = np.inf
            chosen = costs.argmin(axis=1)
        takers = {place: np.flatnonzero(chosen == place) for place in left if place not in full}
        stop = min(
            (int(mine[left[place] - 1]) + 1 for place, mine in takers.items() if len(mine) >= left[place]),
            default=len(rows),
        )
        for place, mine in takers.items():
            count = int(np.searchsorted(mine, stop))
            places[rows[mine[:count]]] = taken_of[place] + 1 + np.arange(count)
            taken_of[place], left[place] = taken_of[place] + count, left[place] - count
        taken[rows[:stop]] = chosen[:stop]
        rows = rows[stop:]


def cost_in_order(
    policy: Policy,
    decisions: Sequence[str],
    scores: Sequence[Sequence[float]],
    labels: Sequence[str | None],
    values: Sequence[float | None],
) -> list[int]:
    """Realised cost of each row in minor units."""
    rows = zip(decisions, scores, labels, values, strict=True)
    return [cost_minor(policy, decision, score, label, value) for decision, score, label, value in rows]
