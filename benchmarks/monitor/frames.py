"""Makes what the checkers are given: a reference, many rows, and windows with and without a shift; all from a seed."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

REFERENCE_ROWS = 10_000
NUMBERS, TEXTS, LEVELS = 20, 5, 30
WINDOW_COLUMNS = 25
SHIFTS = (0.0, 0.1, 0.25, 0.5, 1.0)
WINDOW_ROWS = (500, 2_000)


@dataclass(frozen=True)
class Files:
    """Where it lies."""

    reference: Path
    rows: Path
    window_reference: Path
    windows: Path


def make(folder: Path, rows: int, windows: int, seed: int = 7) -> Files:
    """Write everything: `rows` rows of 25 columns, `windows` windows of each size and shift."""
    random = np.random.default_rng(seed)
    files = Files(*(folder / f"{name}.npz" for name in ("reference", "rows", "window_reference", "windows")))
    _write(files.reference, random, REFERENCE_ROWS)
    _write(files.rows, random, rows)
    numbers = random.normal(size=(REFERENCE_ROWS, WINDOW_COLUMNS))
    np.savez(files.window_reference, numbers=numbers, texts=np.empty((REFERENCE_ROWS, 0), dtype=np.int8))
    every = {}
    for size in WINDOW_ROWS if windows else ():
        for shift in SHIFTS:
            found = random.normal(size=(windows, size, WINDOW_COLUMNS))
            found[:, :, 0] += shift
            every[f"{size} {shift:g}"] = found
    np.savez(files.windows, **every)
    return files


def _write(file: Path, random: np.random.Generator, rows: int) -> None:
    """8 normal, 6 skewed and 6 whole numbers with ties, 5 texts of 30 levels; no nulls, which some cannot take."""
    numbers = [random.normal(size=(rows, 8)), random.lognormal(size=(rows, 6))]
    numbers.append(np.rint(random.normal(size=(rows, 6)) * 10))
    np.savez(file, numbers=np.column_stack(numbers), texts=random.integers(0, LEVELS, (rows, TEXTS)).astype(np.int8))


def few(rows: Path, target: Path, count: int = 100_000) -> Path:
    """Write the first rows of a file to another."""
    with np.load(rows) as stored:
        np.savez(target, **{name: stored[name][:count] for name in stored.files})
    return target
