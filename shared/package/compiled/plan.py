"""PURE: the column plan: how the features of a record become the float64 columns that the compiled graph takes.

Columns are the numbers first, as they are (NaN for null), then for each table the values of its level.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

KEY = "headrace.plan"
VERSION = 1
Row = tuple[float, ...]


@dataclass(frozen=True)
class Table:
    """A feature with levels: the columns of each level, of null and of any other level; None is outside the domain."""

    feature: int
    levels: tuple[str | float, ...]
    rows: tuple[Row | None, ...]
    null: Row | None
    other: Row | None

    @property
    def width(self) -> int:
        """How many columns it fills."""
        return max(len(row) for row in (*self.rows, self.null, self.other, ()) if row is not None)


@dataclass(frozen=True)
class Limit:
    """A number outside [low, high], or null where it is required, is outside the domain."""

    feature: int
    required: bool
    low: float
    high: float


@dataclass(frozen=True)
class Plan:
    """Features are counted in the manifest's order."""

    numbers: tuple[int, ...]
    tables: tuple[Table, ...]
    limits: tuple[Limit, ...]

    @property
    def width(self) -> int:
        """How many columns the graph takes."""
        return len(self.numbers) + sum(table.width for table in self.tables)

    def to_json(self) -> str:
        """Return what stands in the graph's metadata; NaN is a value like any other here."""
        return json.dumps({"version": VERSION, **asdict(self)}, sort_keys=True, separators=(",", ":"))


def read_plan(text: str, kinds: Sequence[str]) -> Plan:
    """Parse a plan for features of these types ("number" or "category"); raises ValueError for anything odd."""
    try:
        body = json.loads(text)
        if body["version"] != VERSION:
            raise ValueError(f"a plan of version {body['version']!r}, not {VERSION}")
        plan = Plan(
            tuple(_place(one, kinds, "number") for one in body["numbers"]),
            tuple(_table(one, kinds) for one in body["tables"]),
            tuple(_limit(one, kinds) for one in body["limits"]),
        )
    except (KeyError, TypeError, IndexError, RecursionError, OverflowError) as error:
        raise ValueError(f"the column plan cannot be read: {error!r:.200}") from error
    if len(set(plan.numbers)) != len(plan.numbers):
        raise ValueError("a number stands twice in the column plan")
    return plan


def _place(value: Any, kinds: Sequence[str], kind: str | None = None) -> int:
    if type(value) is not int or not 0 <= value < len(kinds) or (kind and kinds[value] != kind):
        raise ValueError(f"the column plan names a feature {value!r:.50} that is none, or of another type")
    return value


def _table(body: Any, kinds: Sequence[str]) -> Table:
    feature = _place(body["feature"], kinds)
    wanted = str if kinds[feature] == "category" else float
    levels = tuple(body["levels"])
    if any(type(level) is not wanted for level in levels) or len(set(levels)) != len(levels):
        raise ValueError(f"the levels of feature {feature} are not different values of type {wanted.__name__}")
    table = Table(feature, levels, tuple(map(_row, body["rows"])), _row(body["null"]), _row(body["other"]))
    widths = {len(row) for row in (*table.rows, table.null, table.other) if row is not None}
    if len(table.rows) != len(levels) or len(widths) > 1:
        raise ValueError(f"the table of feature {feature} is not rectangular")
    return table


def _row(body: Iterable[Any] | None) -> Row | None:
    return None if body is None else tuple(map(_float, body))


def _limit(body: Any, kinds: Sequence[str]) -> Limit:
    if type(body["required"]) is not bool:
        raise ValueError("a limit does not say whether the number is required")
    return Limit(_place(body["feature"], kinds, "number"), body["required"], _float(body["low"]), _float(body["high"]))


def _float(value: Any) -> float:
    if type(value) is not float:
        raise ValueError(f"{value!r:.50} in the column plan is no float")
    return value
