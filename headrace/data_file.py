"""Reads a table of past cases, CSV or Parquet, as the source that `headrace init` writes will read it again."""

import csv
import io
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa

from headrace.errors import CommandError

TEXT_SUFFIXES = (".csv", ".tsv", ".txt")
SUFFIXES = (*TEXT_SUFFIXES, ".parquet")
FEWEST_ROWS = 60
SEPARATORS = (",", ";", "\t", "|")
# Beside the gaps that pandas knows by itself: an empty cell, NA, NULL, n/a, NaN and the like.
GAPS = ("-", "--", "?", ".", "n.a.", "N.A.", "missing")
_DECIMAL_COMMA = r"[+-]?\d+(,\d+)?"


class DataFileError(CommandError):
    """The file is no table that a use case can begin with."""


@dataclass(frozen=True)
class Dialect:
    """How a text file writes its table."""

    encoding: str = "utf-8"
    separator: str = ","
    decimal: str = "."


@dataclass(frozen=True)
class DataFile:
    """A table and where it came from; how a text file writes it, or whether a Parquet file has an index of pandas."""

    path: Path
    frame: pd.DataFrame
    dialect: Dialect | None = None
    indexed: bool = False


def read_data(path: Path) -> DataFile:
    """Return the table; every column of a text file is text, so that 007 stays 007. Raises DataFileError."""
    if path.suffix.lower() not in SUFFIXES:
        raise DataFileError(f"{path}: the name must end with {', '.join(SUFFIXES)}; write the table as one of them")
    try:
        found = _read_text(path) if path.suffix.lower() in TEXT_SUFFIXES else _read_parquet(path)
    except (OSError, ValueError, pa.ArrowException, csv.Error) as error:
        raise DataFileError(f"{path} cannot be read: {error}") from error
    rows = len(found.frame)
    if rows < FEWEST_ROWS:
        raise DataFileError(f"{path} has {rows} rows; at least {FEWEST_ROWS} are needed to train and to judge")
    return found


def _read_parquet(path: Path) -> DataFile:
    frame = pd.read_parquet(path)
    # What pandas wrote as an index is a column to everybody else.
    indexed = any(frame.index.names)
    return DataFile(path, frame.reset_index() if indexed else frame, indexed=indexed)


def _read_text(path: Path) -> DataFile:
    encoding, text = _decoded(path)
    separator = _separator(path, text)
    frame = pd.read_csv(io.StringIO(text), dtype=str, sep=separator, na_values=GAPS, skipinitialspace=True)
    if not isinstance(frame.index, pd.RangeIndex):
        raise DataFileError(f"{path}: its rows have more cells than its first line has names; name every column there")
    commas = [name for name, column in frame.items() if separator != "," and _has_decimal_commas(column)]
    for name in commas:
        frame[name] = frame[name].str.replace(",", ".")
    return DataFile(path, frame, Dialect(encoding, separator, "," if commas else "."))


def _decoded(path: Path) -> tuple[str, str]:
    """The encoding and the text."""
    content = path.read_bytes()
    utf16 = content.startswith((b"\xff\xfe", b"\xfe\xff"))
    if b"\0" in content and not utf16:
        raise DataFileError(f"{path} is no text file, whatever its name says: write the table as CSV or Parquet")
    for encoding in ("utf-16",) if utf16 else ("utf-8-sig", "cp1252"):
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        plain = encoding == "utf-8-sig" and not content.startswith(b"\xef\xbb\xbf")
        return "utf-8" if plain else encoding, text
    raise DataFileError(f"{path} is neither UTF-8 nor Windows text (cp1252): save it as UTF-8")


def _separator(path: Path, text: str) -> str:
    """What the first line's names are separated by."""
    line = next((line for line in io.StringIO(text) if line.strip()), "")
    if not line:
        raise DataFileError(f"{path} is empty: the first line names the columns, each further one is a past case")
    counted = {separator: len(next(csv.reader([line], delimiter=separator))) for separator in SEPARATORS}
    found = max(SEPARATORS, key=lambda separator: counted[separator])
    if counted[found] == 1:
        raise DataFileError(
            f"{path}: its first line, {line.strip()[:60]!r}, is one name. It must name the columns, "
            "separated by comma, semicolon, tab or |"
        )
    return found


def _has_decimal_commas(column: "pd.Series[str]") -> bool:
    """Whether all of its values are numbers, and some of them have a comma for the point."""
    known = column.dropna()
    return bool(known.str.contains(",", regex=False).any() and known.str.fullmatch(_DECIMAL_COMMA).all())
