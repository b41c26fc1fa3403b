"""Rows that would show a difference: real ones, both sides of every split, every level, nulls, extremes."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.package.compiled.plan import Plan
from shared.package.compiled.probe import LARGEST, UNKNOWN
from shared.package.manifest import Feature

FEWEST = 10_000
MOST_REAL = 20_000
NULL_SHARE = 0.03
SINGLE = float(np.finfo(np.float32).max)
EXTREMES = (0.0, -0.0, 5e-324, -5e-324, 1e-30, 1e30, -1e30, SINGLE, -SINGLE, 3.5e38, -3.5e38, LARGEST, -LARGEST)
Columns = dict[str, list[Any]]


def proof_rows(
    features: Sequence[Feature],
    real: Mapping[str, Sequence[Any]],
    plan: Plan,
    splits: Mapping[int, NDArray[np.float64]],
) -> Columns:
    """Return at least 10,000 rows as columns; equal arguments give equal rows.

    `splits` are the raw numbers at which the compiled form turns, by place of the feature.
    """
    random = np.random.default_rng(len(features))
    count = len(real[features[0].name])
    chosen = random.integers(0, count, max(FEWEST, min(count, MOST_REAL)))
    if count <= MOST_REAL:
        chosen[:count] = np.arange(count)
    rows = {one.name: [real[one.name][row] for row in chosen] for one in features}
    mixed = random.integers(0, count, FEWEST)
    tables = {table.feature: table.levels for table in plan.tables}
    for place, one in enumerate(features):
        usual = [real[one.name][row] for row in mixed]
        levels = tables.get(place, ())
        around = _around(splits.get(place, np.empty(0)), random) if one.type == "number" else []
        rows[one.name] += _mix(usual, [*around, *levels, UNKNOWN[one.type]], random)
    _one_at_a_time(features, rows, real, tables)
    return rows


def _around(splits: NDArray[np.float64], random: np.random.Generator) -> list[float]:
    """Each split, its two neighbours and, for models that see float32, the two float32 values around it."""
    finite = np.unique(splits[np.isfinite(splits)])
    if not len(finite):
        return []
    with np.errstate(over="ignore"):
        below, above = np.nextafter(finite, -np.inf), np.nextafter(finite, np.inf)
        single = finite.astype(np.float32)
        singles = np.concatenate([np.nextafter(single, np.float32(side)) for side in (-np.inf, np.inf)] + [single])
    every = np.concatenate([finite, below, above, singles.astype(np.float64)])
    found: list[float] = random.permutation(every[np.isfinite(every)]).tolist()
    return found


def _mix(usual: list[Any], odd: list[Any], random: np.random.Generator) -> list[Any]:
    """Half usual, half odd values, each odd one as often as there is room, and some nulls."""
    kinds, order = random.random(len(usual)), iter(np.resize(np.arange(len(odd)), len(usual)).tolist())
    return [
        None if kind < NULL_SHARE else odd[next(order)] if kind < 0.5 else value
        for kind, value in zip(kinds.tolist(), usual, strict=True)
    ]


def _one_at_a_time(
    features: Sequence[Feature], rows: Columns, real: Mapping[str, Sequence[Any]], tables: Mapping[int, Sequence[Any]]
) -> None:
    """Change one feature of a real row: null, unknown, every level, extremes; and one row of nothing but nulls."""
    for place, changed in enumerate(features):
        extremes = EXTREMES if changed.type == "number" else ("", " ")
        cells = [None, UNKNOWN[changed.type], *extremes, *tables.get(place, ())]
        for one in features:
            rows[one.name] += cells if one is changed else [real[one.name][place % len(real[one.name])]] * len(cells)
    for one in features:
        rows[one.name].append(None)
