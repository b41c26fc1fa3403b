"""Reference rows: scores on rows the model was not fitted on, by block, for demand, gates and drift.

Losses on a model's own training rows are too small to compare anything with, so there are two kinds only:
`oof` (training days, each scored by a fold that had not seen it) and `holdout` (the last days, scored by the model).
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from shared.contract.shadow_price import DayScores, Demand
from shared.package.refusal import PackageRefused

MAX_ROWS_PER_BLOCK = 5_000
MAX_ROWS = 5_000_000
MAX_UNPACKED_BYTES = 2 * 1024**3
MAX_TEXT = 1024
TEXTS = ("kind", "block", "label")
Kind = Literal["oof", "holdout"]
COLUMNS: dict[str, pa.DataType] = {
    "kind": pa.string(),
    "block": pa.string(),
    "position": pa.int64(),
    "event_time": pa.timestamp("us", tz="UTC"),
    "scores": pa.list_(pa.float64()),
    "flagged": pa.bool_(),
    "label": pa.string(),
    "value": pa.float64(),
    "volume": pa.int64(),
}
SCHEMA = pa.schema(COLUMNS)


class ReferenceRow(NamedTuple):
    """One scored row; `position` is its place in event order, `volume` the true size of its block."""

    kind: Kind
    block: str
    position: int
    event_time: datetime
    scores: tuple[float, ...]
    flagged: bool
    label: str | None
    value: float | None
    volume: int


@dataclass(frozen=True)
class Reference:
    """All reference rows in event order."""

    rows: tuple[ReferenceRow, ...]

    def blocks(self) -> dict[str, tuple[ReferenceRow, ...]]:
        """Return the rows by block, blocks and rows in event order."""
        found: dict[str, list[ReferenceRow]] = {}
        for row in self.rows:
            found.setdefault(row.block, []).append(row)
        return {block: tuple(rows) for block, rows in found.items()}

    def demand(self) -> Demand:
        """Return the sampled scores of each block with its true volume, as the policy wants them."""
        days = (
            DayScores(block, rows[0].volume, tuple(r.scores for r in rows)) for block, rows in self.blocks().items()
        )
        return Demand(tuple(days))


def sample_blocks(rows: Sequence[ReferenceRow], seed: int, most: int = MAX_ROWS_PER_BLOCK) -> Reference:
    """Keep at most `most` rows of each block, chosen by a seeded hash of their position: no random state, no order."""
    kept: list[ReferenceRow] = []
    for block_rows in Reference(tuple(rows)).blocks().values():
        chosen = sorted(block_rows, key=lambda row: _lot(seed, row))[:most] if len(block_rows) > most else block_rows
        kept.extend(chosen)
    return Reference(tuple(sorted(kept, key=lambda row: row.position)))


def _lot(seed: int, row: ReferenceRow) -> bytes:
    return hashlib.sha256(f"{seed}/{row.block}/{row.position}".encode()).digest()


def write_reference(reference: Reference, path: Path) -> None:
    """Write reference.parquet; equal rows give equal bytes."""
    columns = dict(zip(ReferenceRow._fields, zip(*reference.rows, strict=True), strict=False))
    table = pa.table(
        {name: pa.array(columns.get(name, ()), type=SCHEMA.field(name).type) for name in SCHEMA.names}, schema=SCHEMA
    )
    pq.write_table(table, path, compression="zstd", store_schema=False)


def check_reference(path: Path, score_columns: int) -> None:
    """Refuse what `read_reference` would, and a reference without held-out rows; builds no rows."""
    table, _ = _read_columns(path, score_columns)
    if "holdout" not in pc.unique(table["kind"]).to_pylist():
        raise PackageRefused("format", "the package has no held-out reference rows")


def read_reference(path: Path, score_columns: int, kind: Kind | None = None) -> Reference:
    """Read reference.parquet, or its rows of one kind; raises PackageRefused when it is not as the manifest says."""
    table, scores = _read_columns(path, score_columns)
    if kind is not None:
        wanted = np.array([each == kind for each in table["kind"].to_pylist()], dtype=bool)
        table, scores = table.filter(pa.array(wanted)), scores[wanted]
    naive = table["event_time"].to_numpy().astype("datetime64[us]").astype(object)
    columns: dict[str, Sequence[Any]] = {
        "event_time": [time.replace(tzinfo=UTC) for time in naive],
        "scores": list(map(tuple, scores.tolist())),
    }
    columns |= {name: table[name].to_pylist() for name in SCHEMA.names if name not in columns}
    return Reference(tuple(map(ReferenceRow, *(columns[name] for name in ReferenceRow._fields))))


def read_demand(path: Path, score_columns: int) -> Demand:
    """What `read_reference(...).demand()` returns, without building the rows."""
    table, scores = _read_columns(path, score_columns)
    blocks: Any = table["block"].combine_chunks().dictionary_encode()
    of_block = blocks.indices.to_numpy()
    order = np.argsort(of_block, kind="stable")
    volumes, ordered = table["volume"].to_numpy()[order].tolist(), list(map(tuple, scores[order].tolist()))
    days, start = [], 0
    for name, size in zip(blocks.dictionary.to_pylist(), np.bincount(of_block).tolist(), strict=True):
        days.append(DayScores(name, volumes[start], tuple(ordered[start : start + size])))
        start += size
    return Demand(tuple(days))


def _read_columns(path: Path, score_columns: int) -> tuple[pa.Table, NDArray[np.float64]]:
    """The checked columns, and the scores, rows × `score_columns`."""
    try:
        # Texts stay references to their few different values until those are known to be short.
        with pq.ParquetFile(path, read_dictionary=list(TEXTS)) as file:
            _check_size(file.metadata, score_columns, path.name)
            table = file.read(SCHEMA.names).select(SCHEMA.names)
        _check_texts(table, path.name)
        table = table.cast(SCHEMA)
    except (pa.ArrowException, KeyError, ValueError, OSError) as error:
        raise PackageRefused("format", f"{path.name} cannot be read: {error!r:.500}") from error
    required = [name for name in SCHEMA.names if name not in ("label", "value")]
    unknown = set(pc.unique(table["kind"]).to_pylist()) - {"oof", "holdout"}
    if unknown or any(table[name].null_count for name in required):
        raise PackageRefused("format", f"{path.name}: a row has no {', '.join(required)}, or an unknown kind")
    column: Any = table["scores"].combine_chunks()
    flat = column.flatten().to_numpy(zero_copy_only=False)
    if set(pc.unique(column.value_lengths()).to_pylist()) - {score_columns} or not np.isfinite(flat).all():
        raise PackageRefused("format", f"{path.name}: each row needs {score_columns} finite scores")
    return table, flat.reshape(-1, score_columns)


def _check_size(metadata: pq.FileMetaData, score_columns: int, name: str) -> None:
    """A few compressed bytes can hold any number of equal rows, or one row with a list without end."""
    rows = metadata.num_rows
    if rows > MAX_ROWS:
        raise PackageRefused("size", f"{name} has {rows} rows, at most {MAX_ROWS} are allowed")
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    columns = [group.column(number) for group in groups for number in range(group.num_columns)]
    scores = sum(column.num_values for column in columns if column.path_in_schema.startswith("scores."))
    if scores > rows * max(1, score_columns):
        raise PackageRefused(
            "format", f"{name}: each row needs {score_columns} finite scores; {rows} rows have {scores}"
        )
    if (unpacked := sum(column.total_uncompressed_size for column in columns)) > MAX_UNPACKED_BYTES:
        raise PackageRefused("size", f"{name} unpacks to {unpacked} bytes, at most {MAX_UNPACKED_BYTES} are allowed")


def _check_texts(table: pa.Table, name: str) -> None:
    for column in TEXTS:
        for chunk in table[column].chunks:
            texts: Any = chunk.dictionary if isinstance(chunk, pa.DictionaryArray) else chunk
            longest = pc.call_function("max", [pc.call_function("binary_length", [texts])]).as_py()
            if (longest or 0) > MAX_TEXT:
                raise PackageRefused("size", f"{name}: a {column} is longer than {MAX_TEXT} bytes")
