"""Reads a table of past cases, CSV or Parquet, as the source that `headrace init` writes will read it again."""

from pathlib import Path

import pandas as pd
import pyarrow as pa

from headrace.errors import CommandError

SUFFIXES = (".csv", ".parquet")
FEWEST_ROWS = 60


class DataFileError(CommandError):
    """The file is no table that a use case can begin with."""


def read_data(path: Path) -> pd.DataFrame:
    """Return the table; every column of a CSV file is text, so that 007 stays 007. Raises DataFileError."""
    if path.suffix.lower() not in SUFFIXES:
        raise DataFileError(f"{path}: the name must end with .csv or .parquet")
    try:
        frame = pd.read_csv(path, dtype=str) if path.suffix.lower() == ".csv" else pd.read_parquet(path)
    except (OSError, ValueError, pa.ArrowException, UnicodeDecodeError) as error:
        raise DataFileError(f"{path} cannot be read: {error}") from error
    if len(frame) < FEWEST_ROWS:
        raise DataFileError(f"{path} has {len(frame)} rows; at least {FEWEST_ROWS} are needed to train and to judge")
    return frame
