"""Which input columns moved since a package was fitted, how sure that is, and what is wrong with their form. Pure.

It explains an alarm and never raises one: seasons move the weather without any harm.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.monitor.block_statistics import LEAST_ROWS, BlockStatistics
from services.monitor.drift import LEAST_REFERENCE, Watch, column_ranks, in_units
from services.monitor.two_sample import Test, chi2_p, ks_p, pooled_evidence
from shared.evidence import e_bh
from shared.evidence.ranks import e_process_of_p
from shared.package.bins import CategoryLevels, NumberBins
from shared.package.inputs import InputProfile
from shared.package.profile import Profile

Floats = NDArray[np.float64]
MOST = 10
# Rows outside what the reference ever showed are named above this share; nulls, when their share rose by as much.
OUTSIDE = 0.01


@dataclass(frozen=True)
class Moved:
    """One column: its distance from the reference (0 to 1), and how rare that is, where blocks can say so.

    `p_value` is that of the newest block among the reference's, `e_value` that of all blocks of the epoch together;
    `named` by e-BH.
    """

    name: str
    distance: float
    change: str
    p_value: float | None = None
    e_value: float | None = None
    named: bool = False


def explain(
    watch: Watch,
    profile: Profile,
    now: InputProfile,
    reference: Sequence[BlockStatistics],
    blocks: Sequence[BlockStatistics],
) -> list[Moved]:
    """Return the columns that moved, the named ones first, then by distance.

    `now` counts the recent rows in the profile's bins; `reference` and `blocks` hold coarse counts, block by block.
    """
    if not now.rows:
        return []
    reference, blocks = in_units(watch, reference), in_units(watch, blocks, ended=True)
    found = {name: evidence_of(watch, name, reference, blocks) for name in profile.numbers}
    found |= {name: evidence_of(watch, name, reference, blocks, chi2_p) for name in profile.categories}
    known = {name: one[1] for name, one in found.items() if one is not None}
    named = set(e_bh(known, watch.alpha)) if known else set()
    moved = []
    for name in found:
        if name in profile.numbers:
            distance, change = _number_change(profile.numbers[name], now.numbers[name])
        else:
            distance, change = _level_change(profile.categories[name], now.categories[name])
        p, e = found[name] or (None, None)
        if distance > 0:
            moved.append(Moved(name, round(distance, 6), change, p, e, name in named))
    return sorted(moved, key=lambda one: (not one.named, -one.distance, one.name))[:MOST]


def evidence_of(
    watch: Watch,
    name: str,
    reference: Sequence[BlockStatistics],
    blocks: Sequence[BlockStatistics],
    test: Test = ks_p,
) -> tuple[float, float] | None:
    """Return the newest block's p-value against the reference, and the e-value of all; None if not to be judged."""
    before = _table(name, reference)
    counted = [one for one in blocks if sum(one.inputs.get(name, ())) >= LEAST_ROWS]
    after = _table(name, counted)
    if len(before) < LEAST_REFERENCE[watch.unit] or not len(after) or before.shape[1] != after.shape[1]:
        return None
    if watch.unit == "row":
        pool = before.sum(axis=0)
        return float(test(pool[None], after[-1:])[0]), float(pooled_evidence(pool, after, test)[-1].mean())
    history, series, names = _shares(before), _shares(after), [one.block for one in counted]
    (newest,) = column_ranks(watch, name, history, series[-1:], names[-1:])
    return newest, e_process_of_p(column_ranks(watch, name, history, series, names))[-1]


def faults(profile: Profile, now: InputProfile) -> list[str]:
    """Return what is wrong with the form of the rows, a sentence each: columns, types, nulls, ranges, levels."""
    void = {name for name, bins in profile.numbers.items() if bins.nulls >= profile.rows}
    void |= {name for name, levels in profile.categories.items() if levels.nulls >= profile.rows}
    missing = {name: rows for name, rows in now.missing.items() if name not in void}
    said = [f"{name}: not sent in {_percent(rows, now.rows)} of the rows" for name, rows in missing.items()]
    said += [f"{name}: sent, but the package does not know it" for name in now.new]
    for name, count in now.odd.items():
        kind = "number" if name in profile.numbers else "text"
        said.append(f"{name}: no {kind} in {_percent(count, now.rows)} of the rows")
    for name, bins in now.numbers.items():
        said += _number_faults(name, profile.numbers[name], bins, now)
    for name, levels in now.categories.items():
        before, after = _share(profile.categories[name].other, profile.rows), _share(levels.other, now.rows)
        if after - before > OUTSIDE and not now.odd.get(name):
            said.append(
                f"{name}: levels that the package does not know in {after:.1%} of the rows ({before:.1%} before)"
            )
        said += _null_faults(name, profile.categories[name].nulls, profile.rows, levels.nulls, now)
    return said


def _number_faults(name: str, before: NumberBins, after: NumberBins, now: InputProfile) -> list[str]:
    said = _null_faults(name, before.nulls, sum(before.counts) + before.other + before.nulls, after.nulls, now)
    if not before.edges:
        return said
    outside = {"below": after.counts[0], "above": after.counts[-1]}
    for side, count in outside.items():
        limit = before.edges[0] if side == "below" else before.edges[-1]
        if _share(count, now.rows) > OUTSIDE:
            said.append(f"{name}: {_percent(count, now.rows)} of the rows {side} {limit:g}, where none was before")
    infinite = after.other - now.odd.get(name, 0)
    if infinite > 0:
        said.append(f"{name}: infinite in {_percent(infinite, now.rows)} of the rows")
    return said


def _null_faults(name: str, nulls_before: int, rows_before: int, nulls: int, now: InputProfile) -> list[str]:
    before, after = _share(nulls_before, rows_before), _share(nulls, now.rows)
    if name in now.missing or after - before <= OUTSIDE:
        return []
    return [f"{name}: null in {after:.1%} of the rows ({before:.1%} before)"]


def _number_change(before: NumberBins, after: NumberBins) -> tuple[float, str]:
    earlier, later = (_flat([*one.counts, one.other, one.nulls]) for one in (before, after))
    change = np.cumsum(later - earlier)
    distance = float(max(np.abs(change).max(), abs(later[-1] - earlier[-1])))
    return distance, f"median {_median(before)} → {_median(after)}, null {earlier[-1]:.1%} → {later[-1]:.1%}"


def _level_change(before: CategoryLevels, after: CategoryLevels) -> tuple[float, str]:
    earlier, later = (_flat([*one.counts, one.other, one.nulls]) for one in (before, after))
    names = [*before.levels, "other levels", "null"]
    most = int(np.abs(later - earlier).argmax())
    return float(np.abs(later - earlier).sum() / 2), f"{names[most]} {earlier[most]:.1%} → {later[most]:.1%}"


def _median(bins: NumberBins) -> str:
    """The edge next to the middle of what was counted; a dash where nothing was."""
    if not sum(bins.counts) or not bins.edges:
        return "–"
    slot = int(np.searchsorted(np.cumsum(bins.counts), sum(bins.counts) / 2))
    return f"{bins.edges[min(max(slot - 1, 0), len(bins.edges) - 1)]:.4g}"


def _table(name: str, blocks: Sequence[BlockStatistics]) -> Floats:
    rows = [counts for one in blocks if sum(counts := one.inputs.get(name, ())) >= LEAST_ROWS]
    if not rows or len({len(row) for row in rows}) > 1:
        return np.empty((0, 0))
    return np.array(rows, dtype=np.float64)


def _flat(counts: Sequence[int]) -> Floats:
    found = np.array(counts, dtype=np.float64)
    return np.asarray(found / max(found.sum(), 1.0))


def _shares(counts: Floats) -> Floats:
    return np.asarray(np.cumsum(counts, axis=1) / counts.sum(axis=1, keepdims=True))


def _share(count: int, rows: int) -> float:
    return count / rows if rows else 0.0


def _percent(count: int, rows: int) -> str:
    return f"{_share(count, rows):.1%}"
