"""Columns of a batch as numbers or as counts of levels, whoever sends it: Arrow, pandas, polars, numpy or lists."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from shared.package.grid import CHUNK

Arrow: TypeAlias = "pa.ChunkedArray[Any]"
Column: TypeAlias = "NDArray[Any] | Arrow"
Batch = Any  # pa.Table, pa.RecordBatch, pandas or polars DataFrame, or a mapping of names to columns


def columns_of(batch: Batch) -> dict[str, Column]:
    """Return each column of a batch; numbers in memory that fits are not copied. All columns have the same length."""
    if isinstance(batch, pa.Table | pa.RecordBatch):
        return {name: _chunked(batch.column(place)) for place, name in enumerate(batch.schema.names)}
    if isinstance(batch, Mapping):
        return {str(name): _column(values) for name, values in batch.items()}
    return {str(name): _column(batch[name]) for name in batch.columns}


def rows_of(columns: Mapping[str, Column]) -> int:
    """Return the number of rows; raises ValueError where columns differ in length."""
    lengths = {len(column) for column in columns.values()}
    if len(lengths) > 1:
        raise ValueError(f"columns of one batch have {min(lengths)} to {max(lengths)} rows; they need the same number")
    return lengths.pop() if lengths else 0


def numbers_of(column: Column) -> Iterator[tuple[NDArray[np.float64], int]]:
    """Yield float64 pieces of a column, NaN for null, and how many of each piece were no numbers at all.

    What is no number (a text, a date, a list) is not in the piece.
    """
    parts = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    for part in parts:
        for start in range(0, len(part), CHUNK):
            yield _numbers(part[start : start + CHUNK])


def levels_of(column: Column) -> tuple[dict[str, int], int, int]:
    """Return how often each text stands in a column, how many cells are null, and how many were not sent as text.

    The latter are counted as the text that they print as.
    """
    if isinstance(column, pa.ChunkedArray):
        return _arrow_levels(column)
    if column.dtype.kind == "O":
        return _cell_levels(column.tolist())
    nulls = int(np.isnan(column).sum()) if column.dtype.kind == "f" else 0
    values, counts = np.unique(column, return_counts=True)
    found = {str(value): int(count) for value, count in zip(values.tolist(), counts, strict=True) if value == value}
    return found, nulls, 0 if column.dtype.kind in "US" else len(column) - nulls


def _column(values: Any) -> Column:
    if isinstance(values, pa.Array | pa.ChunkedArray):
        return _chunked(values)
    if isinstance(values, np.ndarray):
        return values
    if isinstance(values, list | tuple):
        cells = np.empty(len(values), dtype=object)
        cells[:] = values
        return cells
    if hasattr(values, "to_arrow"):
        return _chunked(values.to_arrow())
    raw = values.to_numpy() if getattr(values.dtype, "kind", "O") in "iufbO" and _plain(values) else None
    return raw if raw is not None else _chunked(pa.array(values, from_pandas=True))


def _plain(series: Any) -> bool:
    """Whether a pandas series is a numpy array underneath."""
    return isinstance(series.dtype, np.dtype)


def _chunked(array: "pa.Array[Any] | Arrow") -> "Arrow":
    return array if isinstance(array, pa.ChunkedArray) else pa.chunked_array([array])


def _numbers(part: Any) -> tuple[NDArray[np.float64], int]:
    if isinstance(part, np.ndarray):
        if part.dtype.kind in "fiub":
            # A column of a matrix is read several times: once from afar is enough.
            return np.ascontiguousarray(part, dtype=np.float64), 0
        if part.dtype.kind != "O":
            return np.full(0, np.nan), len(part)
        return _cell_numbers(part.tolist())
    if pa.types.is_floating(part.type) or pa.types.is_integer(part.type) or pa.types.is_boolean(part.type):
        return np.asarray(part.to_numpy(zero_copy_only=False), dtype=np.float64), 0
    if pa.types.is_decimal(part.type):
        return _numbers(part.cast(pa.float64()))
    return np.full(part.null_count, np.nan), len(part) - part.null_count


def _cell_numbers(cells: list[Any]) -> tuple[NDArray[np.float64], int]:
    numbers = [number for cell in cells if (number := _number(cell)) is not None]
    return np.array(numbers, dtype=np.float64), len(cells) - len(numbers)


def _number(cell: Any) -> float | None:
    if _is_null(cell):
        return math.nan
    if not isinstance(cell, int | float | np.number):
        return None
    try:
        return float(cell)
    except OverflowError:
        return math.inf if cell > 0 else -math.inf


def _is_null(cell: Any) -> bool:
    # pandas' own nulls are known by name, so that they need not be imported.
    return cell is None or (isinstance(cell, float) and cell != cell) or type(cell).__name__ in ("NAType", "NaTType")


def _arrow_levels(column: Arrow) -> tuple[dict[str, int], int, int]:
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    is_text = pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    found: Counter[str] = Counter()
    for part in column.chunks:
        counted = pc.value_counts(part)
        values, counts = counted.field("values").to_pylist(), counted.field("counts").to_pylist()
        for value, count in zip(values, counts, strict=True):
            if value is not None:
                found[str(value)] += int(count or 0)
    return dict(found), column.null_count, 0 if is_text else found.total()


def _cell_levels(cells: list[Any]) -> tuple[dict[str, int], int, int]:
    try:
        seen: Counter[Any] = Counter(cells)
    except TypeError:
        # What cannot be hashed is counted as what it prints as, in a tuple: that is no text either.
        seen = Counter(cell if cell is None or isinstance(cell, str) else (repr(cell),) for cell in cells)
    found: Counter[str] = Counter()
    nulls = odd = 0
    for cell, count in seen.items():
        if _is_null(cell):
            nulls += count
            continue
        found[str(cell)] += count
        odd += 0 if isinstance(cell, str) else count
    return dict(found), nulls, odd
