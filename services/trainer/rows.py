"""The rows a fit may see: the contract's source before the first decision, the feedback table after, nothing later."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

import numpy as np
import pandas as pd
import polars as pl
from numpy.typing import NDArray

from services.trainer.flags import Columns, clean_columns
from services.trainer.job import CannotTrainError, Job
from shared.contract import Contract, block_of
from shared.feedback.joined import Versions, joined
from shared.feedback.schema import CATEGORY, NUMBER
from shared.package import Feature, to_frame

KNOWN_AT = "known_at"
Loader = Callable[[datetime], pd.DataFrame]


@dataclass(frozen=True)
class Rows:
    """Rows in the order (event time, prediction id); a row without an outcome has label None and value NaN."""

    times: pd.DatetimeIndex
    blocks: NDArray[np.object_]
    frame: pd.DataFrame
    flagged: NDArray[np.bool_]
    labels: NDArray[np.object_]
    values: NDArray[np.float64]
    by_feature: Mapping[str, int]

    def __len__(self) -> int:
        return len(self.times)

    @property
    def labelled(self) -> NDArray[np.bool_]:
        """Which rows have an outcome."""
        return np.array([label is not None for label in self.labels], dtype=bool) | np.isfinite(self.values)

    def take(self, wanted: NDArray[np.bool_]) -> Self:
        """Return some of the rows, in the same order."""
        frame = self.frame[wanted].reset_index(drop=True)
        parts = (self.times[wanted], self.blocks[wanted], frame, self.flagged[wanted])
        return type(self)(*parts, self.labels[wanted], self.values[wanted], self.by_feature)

    @property
    def digest(self) -> str:
        """Return one digest over everything a fit reads, in order."""
        found = hashlib.sha256(self.times.as_unit("us").asi8.tobytes())
        for name, column in self.frame.items():
            found.update(f"\n{name}\n".encode() + _bytes(column.to_numpy()))
        for part in (self.labels, self.values, self.flagged):
            found.update(b"\n" + _bytes(part))
        return found.hexdigest()


def read_rows(job: Job, contract: Contract, load: Loader) -> Rows:
    """Read source and feedback as they were known at `job.as_of`; whole blocks only."""
    feedback = _feedback(job, contract)
    first = feedback["event_time"].min()
    source = _source(contract, load, job.as_of, first if isinstance(first, datetime) else job.as_of)
    columns = Columns.joined(_source_columns(contract, source), _feedback_columns(contract, feedback))
    clean, flagged, by_feature = clean_columns(contract, columns)
    blocks = np.array([block_of(contract, time) for time in columns.times.to_pydatetime()], dtype=object)
    features = features_of(contract)
    labels, values = _outcomes(contract, columns.outcomes)
    rows = Rows(columns.times, blocks, to_frame(features, clean), flagged, labels, values, by_feature)
    return rows.take(blocks < block_of(contract, job.as_of)) if len(rows) else rows


def features_of(contract: Contract) -> tuple[Feature, ...]:
    """Return the model's input columns in the contract's order."""
    return tuple(Feature(name=name, type=feature.type) for name, feature in contract.features.items())


def _source(contract: Contract, load: Loader, as_of: datetime, before: datetime) -> pd.DataFrame:
    """Ask the source; what was not known at `as_of` is dropped before anything else looks at a row."""
    frame = load(as_of)
    if not isinstance(frame, pd.DataFrame):
        raise CannotTrainError(f"{contract.training.source} returned {type(frame).__name__}, not a pandas DataFrame")
    wanted = [contract.event_time, KNOWN_AT, contract.label.name, *contract.features]
    if missing := [name for name in wanted if name not in frame.columns]:
        raise CannotTrainError(f"{contract.training.source} returned no column {', '.join(missing)}")
    for name in (contract.event_time, KNOWN_AT):
        if not isinstance(frame[name].dtype, pd.DatetimeTZDtype):
            raise CannotTrainError(f"column {name} of {contract.training.source} must hold times with an offset")
    known = ~(frame[KNOWN_AT] > as_of) & (frame[contract.event_time] < min(as_of, before))
    return frame[known].sort_values(contract.event_time, kind="stable", ignore_index=True)


def _source_columns(contract: Contract, frame: pd.DataFrame) -> Columns:
    outcomes = frame[contract.label.name].astype(object).where(frame[KNOWN_AT].notna(), None)
    cells: dict[str, Sequence[Any]] = {name: frame[name].tolist() for name in contract.features}
    times = pd.DatetimeIndex(frame[contract.event_time]).tz_convert("UTC").as_unit("us")
    return Columns(times, cells, outcomes.tolist(), np.zeros(len(frame), dtype=bool))


def _feedback(job: Job, contract: Contract) -> pl.DataFrame:
    """Decisions with the outcome known at `as_of`, sorted by (event time, prediction id)."""
    version = Versions(*job.table_version)
    frame = joined(job.feedback, contract.use_case, job.as_of, version=version)
    return frame.filter(pl.col("event_time") < job.as_of)


def _feedback_columns(contract: Contract, frame: pl.DataFrame) -> Columns:
    cells: dict[str, Sequence[Any]] = {}
    for name, feature in contract.features.items():
        column = (NUMBER if feature.type == "number" else CATEGORY) + name
        # A table written before the contract gained a feature has no column for it.
        cells[name] = frame[column].to_list() if column in frame.columns else [None] * len(frame)
    outcome = "label" if contract.classification else "value"
    times = pd.DatetimeIndex(frame["event_time"].to_numpy()).tz_localize("UTC").as_unit("us")
    flagged = frame["flagged"].list.len().fill_null(0).to_numpy() > 0
    return Columns(times, cells, frame[outcome].to_list(), flagged)


def _outcomes(contract: Contract, outcomes: Sequence[Any]) -> tuple[NDArray[np.object_], NDArray[np.float64]]:
    """Return labels and values; an outcome this use case cannot have is an error of the source, said by name."""
    absent = [outcome is None or outcome != outcome for outcome in outcomes]
    labels, values = np.full(len(outcomes), None, dtype=object), np.full(len(outcomes), np.nan)
    if not contract.classification:
        values[:] = [np.nan if gone else float(outcome) for gone, outcome in zip(absent, outcomes, strict=True)]
        return labels, values
    labels[:] = [None if gone else outcome for gone, outcome in zip(absent, outcomes, strict=True)]
    if unknown := {label for label in labels.tolist() if label is not None} - set(contract.classes):
        raise CannotTrainError(f"label {sorted(map(repr, unknown))[0]} is not one of {', '.join(contract.classes)}")
    return labels, values


def _bytes(column: NDArray[Any]) -> bytes:
    """Return bytes that tell null from text, and every number from every other."""
    if column.dtype == object:
        return "\x1e".join("\x1f" if cell is None else str(cell) for cell in column.tolist()).encode()
    return np.ascontiguousarray(column).tobytes()
