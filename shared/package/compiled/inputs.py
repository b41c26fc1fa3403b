"""Collects the columns that the parts of a model ask for, and settles where each one stands."""

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field

from shared.package.compiled.plan import Limit, Plan, Row, Table
from shared.package.compiled.probe import LARGEST, Cell

Key = tuple[Hashable, ...]


@dataclass(frozen=True)
class LevelColumn:
    """One column of a feature with levels: its value at each known level, at null and at any other level."""

    values: Mapping[str | float, float]
    null: float
    other: float

    def at(self, level: str | float) -> float:
        """The value at a level, known here or not."""
        return self.values.get(level, self.other)

    def key(self) -> Key:
        """Equal for columns that can be one; NaN equals NaN here."""
        every = (*sorted(self.values.items(), key=repr), ("", self.null), ("", self.other))
        return tuple((level, repr(value)) for level, value in every)


@dataclass
class Inputs:
    """Numbers as they are, columns of levels, and what is outside the domain; features by place in the manifest."""

    numbers: set[int] = field(default_factory=set)
    columns: dict[int, dict[Key, LevelColumn]] = field(default_factory=dict)
    bounds: dict[int, tuple[float, float]] = field(default_factory=dict)
    required: set[int] = field(default_factory=set)
    levels: dict[int, set[str | float]] = field(default_factory=dict)
    outside: dict[int, set[Cell]] = field(default_factory=dict)

    def number(self, feature: int) -> Key:
        """Ask for a number as it is."""
        self.numbers.add(feature)
        return ("number", feature)

    def level(self, feature: int, column: LevelColumn) -> Key:
        """Ask for a column of a feature with levels; equal ones are one."""
        key = column.key()
        self.columns.setdefault(feature, {}).setdefault(key, column)
        return ("level", feature, key)

    def bound(self, feature: int, low: float, high: float) -> None:
        """Leave numbers outside [low, high] to the original."""
        old = self.bounds.get(feature, (-LARGEST, LARGEST))
        self.bounds[feature] = (max(old[0], low), min(old[1], high))

    def settle(self) -> tuple[Plan, dict[Key, int]]:
        """Return the plan, and where in the graph's input each asked column stands."""
        numbers = tuple(sorted(self.numbers))
        place: dict[Key, int] = {("number", feature): column for column, feature in enumerate(numbers)}
        tables: list[Table] = []
        for feature in sorted({*self.columns, *self.outside}):
            mine = self.columns.get(feature, {})
            for key in mine:
                place["level", feature, key] = len(place)
            outside = self.outside.get(feature, set())
            tables.append(_table(feature, list(mine.values()), self.levels.get(feature, set()), outside))
        limited = sorted({*self.bounds, *self.required})
        usual = (-LARGEST, LARGEST)
        limits = (Limit(one, one in self.required, *self.bounds.get(one, usual)) for one in limited)
        return Plan(numbers, tuple(tables), tuple(limits)), place


def _table(feature: int, columns: Sequence[LevelColumn], known: set[str | float], outside: set[Cell]) -> Table:
    """One row per known level; None for what is outside."""
    levels = tuple(sorted(known, key=repr))

    def row(level: Cell) -> Row | None:
        if level in outside:
            return None
        if level is None:
            return tuple(column.null for column in columns)
        return tuple(column.other if level == OTHER else column.at(level) for column in columns)

    return Table(feature, levels, tuple(map(row, levels)), row(None), row(OTHER))


# Stands for every level that is not known; an infinite number is no level and no text.
OTHER = math.inf
