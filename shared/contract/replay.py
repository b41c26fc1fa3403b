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
    out = np.zeros(len(blocks), dtype=bool) if flagged is None else np.asarray(flagged, dtype=bool)
    aside = None if control is None else np.asarray(control, dtype=bool) & ~out
    if not blocks:
        return Replayed([], [], [])
    width = 1 if policy.task in ("binary", "regression") else len(policy.classes)
    if table.shape != (len(blocks), width) or len(out) != len(blocks):
        raise ValueError(f"{len(blocks)} blocks, {len(out)} flags and scores of shape {table.shape} do not fit")
    if not np.isfinite(table).all():
        raise ValueError("scores must be finite")
    if policy.task == "regression":
        found = _words(np.where(out, 2, 0), aside)
        return Replayed([ESTIMATE if word == "cost" else CONSTANT for word in found], found, [None] * len(blocks))
    return _classify(policy, blocks, table, out, aside, used or {})


def _words(reasons: NDArray[np.int64], aside: NDArray[np.bool_] | None) -> list[Reason]:
    """Reasons by their places in `_WORDS`; rows that are `aside` are control cases."""
    if aside is not None:
        reasons = np.where(aside, 3, reasons)
    return [_WORDS[each] for each in reasons.tolist()]


def _classify(
    policy: Policy,
    blocks: Sequence[str],
    scores: NDArray[np.float64],
    flagged: NDArray[np.bool_],
    aside: NDArray[np.bool_] | None,
    used: Mapping[str, Mapping[str, int]],
) -> Replayed:
    names = [rule.name for rule in policy.rules]
    expected = expected_costs([rule.costs for rule in policy.rules], scores)
    priced = expected + np.array([rule.shadow_price for rule in policy.rules])
    cheapest = np.argmin(expected, axis=1)
    taken = np.argmin(priced, axis=1)
    places = np.zeros(len(blocks), dtype=np.int64)
    out = flagged if aside is None else flagged | aside
    if policy.limits:
        for block, rows in _by_block(blocks, np.flatnonzero(~out)):
            _ration(policy, used.get(block, {}), priced, rows, taken, places)
    reasons = np.where(flagged, 2, taken != cheapest)
    taken[out] = names.index(policy.without_model)
    return Replayed(
        [names[each] for each in taken.tolist()],
        _words(reasons, aside),
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
            chosen = np.argmin(costs, axis=1)
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
