"""Which cells lie outside the contract's type, range or levels: they become null, and their row is flagged."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from services.trainer.job import CannotTrainError
from shared.contract import Contract, Feature

LONGEST_LEVEL = 256


@dataclass(frozen=True)
class Columns:
    """Raw cells by feature, beside event times and outcomes."""

    times: pd.DatetimeIndex
    cells: Mapping[str, Sequence[Any]]
    outcomes: Sequence[Any]
    flagged: NDArray[np.bool_]

    @classmethod
    def joined(cls, first: Self, second: Self) -> Self:
        """Put one after the other."""
        return cls(
            pd.DatetimeIndex(first.times.append(second.times)),
            {name: [*cells, *second.cells[name]] for name, cells in first.cells.items()},
            [*first.outcomes, *second.outcomes],
            np.concatenate([first.flagged, second.flagged]),
        )


def clean_columns(
    contract: Contract, columns: Columns
) -> tuple[dict[str, Sequence[Any] | NDArray[Any]], NDArray[np.bool_], dict[str, int]]:
    """Return cleaned columns, which rows are flagged, and how many cells of each feature were outside."""
    flagged, by_feature = columns.flagged.copy(), dict[str, int]()
    clean: dict[str, Sequence[Any] | NDArray[Any]] = {}
    for name, feature in contract.features.items():
        read = _number if feature.type == "number" else _category
        clean[name], outside = read(feature, columns.cells[name])
        flagged |= outside
        by_feature[name] = int(outside.sum())
    return clean, flagged, by_feature


def check_flagged(contract: Contract, flagged: NDArray[np.bool_], by_feature: Mapping[str, int]) -> None:
    """Raise CannotTrainError when more rows are flagged than the contract allows, naming the worst features."""
    share = float(flagged.mean()) if len(flagged) else 0.0
    if share <= contract.monitoring.max_flagged:
        return
    worst = sorted(by_feature.items(), key=lambda item: (-item[1], item[0]))[:5]
    named = ", ".join(f"{name} ({count} rows)" for name, count in worst if count)
    limit = contract.monitoring.max_flagged
    raise CannotTrainError(
        f"{share:.2%} of {len(flagged)} rows hold a value outside its type or range; max_flagged allows {limit:.2%}: "
        f"{named or 'flagged when they were decided'}"
    )


def _number(feature: Feature, cells: Sequence[Any]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    raw = pd.Series(cells, dtype=object)
    numbers = pd.to_numeric(raw, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    low, high = feature.range or (-np.finfo(np.float64).max, np.finfo(np.float64).max)
    inside = (numbers >= low) & (numbers <= high)
    return np.where(inside, numbers, np.nan), raw.notna().to_numpy() & ~inside


def _category(feature: Feature, cells: Sequence[Any]) -> tuple[list[str | None], NDArray[np.bool_]]:
    levels = None if feature.levels is None else set(feature.levels)
    clean: list[str | None] = [None] * len(cells)
    outside = np.zeros(len(cells), dtype=bool)
    for row, cell in enumerate(cells):
        if isinstance(cell, str) and len(cell) <= LONGEST_LEVEL:
            clean[row] = cell
            outside[row] = levels is not None and cell not in levels
        else:
            outside[row] = cell is not None and cell == cell
    return clean, outside
