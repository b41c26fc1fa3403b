"""Rows that reach a split of a tree and lie on it, or one float above it: random rows hardly ever do both."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from shared.package.compiled.graph import INPUT
from shared.package.compiled.plan import Plan, Table
from shared.package.manifest import Feature

MOST_SPLITS = 6_000


@dataclass(frozen=True)
class Split:
    """An inner node: its column and split, and the way to it as (column, split, goes left)."""

    column: int
    split: float
    way: tuple[tuple[int, float, bool], ...]


def path_rows(
    content: bytes, plan: Plan, features: Sequence[Feature], base: Mapping[str, Sequence[Any]]
) -> dict[str, list[Any]]:
    """Return two rows per split that can be reached: the last that goes left, the first that goes right."""
    rows: dict[str, list[Any]] = {one.name: [] for one in features}
    choose = _Chooser(plan)
    for number, split in enumerate(_some(list(splits_of(content)))):
        cells = choose.cells(split)
        if cells is None:
            continue
        feature = plan.numbers[split.column] if split.column < len(plan.numbers) else None
        for place, one in enumerate(features):
            usual = base[one.name][number % len(base[one.name])]
            cell = cells.get(place, usual)
            other = math.nextafter(split.split, math.inf) if place == feature else cell
            rows[one.name] += [split.split if place == feature else cell, other]
    return rows


def _some(splits: list[Split]) -> list[Split]:
    """All of them, or as many as there is time for, evenly."""
    if len(splits) <= MOST_SPLITS:
        return splits
    return [splits[place] for place in np.linspace(0, len(splits) - 1, MOST_SPLITS).astype(np.int64)]


def splits_of(content: bytes) -> Iterator[Split]:
    """Every inner node of every tree over the input."""
    for node in onnx.load_from_string(content).graph.node:
        if node.op_type != "TreeEnsemble" or node.input[0] != INPUT:
            continue
        parts = {one.name: one for one in node.attribute}
        columns, splits = list(parts["nodes_featureids"].ints), numpy_helper.to_array(parts["nodes_splits"].t).tolist()
        sides = [
            (left, list(parts[f"nodes_{name}nodeids"].ints), list(parts[f"nodes_{name}leafs"].ints))
            for left, name in ((True, "true"), (False, "false"))
        ]
        pending: list[tuple[int, tuple[tuple[int, float, bool], ...]]] = [(r, ()) for r in parts["tree_roots"].ints]
        while pending:
            place, way = pending.pop()
            yield Split(columns[place], splits[place], way)
            for left, children, leafs in sides:
                if not leafs[place]:
                    pending.append((children[place], (*way, (columns[place], splits[place], left))))


class _Chooser:
    """Finds values of features that lead along a way."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._tables: list[tuple[int, Table]] = []
        start = len(plan.numbers)
        for table in plan.tables:
            self._tables.append((start, table))
            start += table.width

    def cells(self, split: Split) -> dict[int, Any] | None:
        """Return the features that matter with values that reach the split; None where none do."""
        low: dict[int, float] = {}
        high: dict[int, float] = {}
        for column, value, left in split.way:
            if left:
                high[column] = min(high.get(column, math.inf), value)
            else:
                low[column] = max(low.get(column, -math.inf), value)
        if not low.get(split.column, -math.inf) < split.split < high.get(split.column, math.inf):
            return None
        cells: dict[int, Any] = {}
        for column, feature in enumerate(self._plan.numbers):
            if column in low or column in high:
                least, most = low.get(column, -math.inf), high.get(column, math.inf)
                if not least < most:
                    return None
                cells[feature] = most if most < math.inf else math.nextafter(least, math.inf)
        for start, table in self._tables:
            asked = [c for c in {*low, *high} if start <= c < start + table.width]
            if asked:
                level = self._level(table, [(c - start, low.get(c), high.get(c)) for c in asked])
                if level is None:
                    return None
                cells[table.feature] = level
        return cells

    def _level(self, table: Table, wanted: list[tuple[int, float | None, float | None]]) -> Any:
        for level, row in zip(table.levels, table.rows, strict=True):
            if row is not None and all(
                (low is None or row[c] > low) and (high is None or row[c] <= high) for c, low, high in wanted
            ):
                return level
        return None
