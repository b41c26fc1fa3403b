"""Scores rows with a compiled form: numpy and ONNX Runtime, nothing else; 1 thread, so that answers do not wait."""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from shared.package.compiled.plan import KEY, Row, read_plan
from shared.package.refusal import PackageRefused

if TYPE_CHECKING:
    from shared.package.manifest import Feature, Manifest

Scores = NDArray[np.float64]
Cells = Sequence[object] | NDArray[Any]
Columns = Mapping[str, Cells]


class OutsideError(ValueError):
    """A row that the compiled form does not speak for: the original model answers, or says what is wrong."""


class CompiledScorer:
    """One compiled model; safe to use from several threads at once."""

    def __init__(self, content: bytes, features: Sequence["Feature"], score_columns: int) -> None:
        self._session = session_of(content)
        kinds = [feature.type for feature in features]
        self.plan = read_plan(self._session.get_modelmeta().custom_metadata_map.get(KEY, "null"), kinds)
        self.score_columns = score_columns
        self._names = [feature.name for feature in features]
        self._run: Callable[..., list[Any]] = self._session.run
        self._out, self._in = [self._session.get_outputs()[0].name], self._session.get_inputs()[0].name
        self._prepare(kinds)

    def _prepare(self, kinds: Sequence[str]) -> None:
        """Positions among the numbers and among the categories, for rows that come without names."""
        place = {kind: [i for i, each in enumerate(kinds) if each == kind] for kind in ("number", "category")}
        numbers = {feature: position for position, feature in enumerate(place["number"])}
        categories = {feature: position for position, feature in enumerate(place["category"])}
        plan = self.plan
        self._picks = [numbers[feature] for feature in plan.numbers]
        self._picks_all = self._picks == list(range(len(place["number"])))
        self._limits = [(numbers[one.feature], one.required, one.low, one.high) for one in plan.limits]
        self._tables = [
            (
                one.feature in categories,
                categories.get(one.feature, numbers.get(one.feature, 0)),
                {**dict(zip(one.levels, one.rows, strict=True)), None: one.null},
                one.other,
            )
            for one in plan.tables
        ]

    def score_row(self, numbers: Sequence[float | None], categories: Sequence[str | None]) -> list[float]:
        """Score one row: all numbers, then all categories, each in the order of `manifest.features`."""
        for position, required, low, high in self._limits:
            value = numbers[position]
            if required if value is None or value != value else not low <= value <= high:
                raise OutsideError(f"number {position} is outside the domain of the compiled form")
        picked = numbers if self._picks_all else [numbers[position] for position in self._picks]
        row = [math.nan if value is None else value for value in picked]
        for is_category, position, table, other in self._tables:
            cell = categories[position] if is_category else numbers[position]
            cell = None if cell != cell else cell
            found = table.get(cell, other)
            if found is None:
                raise OutsideError(f"value {cell!r:.50} is outside the domain of the compiled form")
            row += found
        scores = self._run(self._out, {self._in: np.array([row])})[0][0].tolist()
        if not all(map(math.isfinite, scores)):
            raise OutsideError("no finite score")
        return scores  # type: ignore[no-any-return]

    def score(self, columns: Columns) -> list[list[float]]:
        """Score many rows given as columns by feature name; numbers may hold None or NaN, categories None."""
        return self.score_array(columns).tolist()  # type: ignore[no-any-return]

    def score_array(self, columns: Columns) -> Scores:
        """Return float64[rows, k]; raises OutsideError when any row is outside the domain."""
        inputs, inside = self.encode(columns)
        if not inside.all():
            raise OutsideError(f"row {int(np.argmin(inside))} is outside the domain of the compiled form")
        scores = self.run(inputs)
        if not np.isfinite(scores).all():
            raise OutsideError("no finite score")
        return scores

    def run(self, inputs: Scores) -> Scores:
        """Score the graph's own input, whatever comes out."""
        return self._run(self._out, {self._in: inputs})[0]  # type: ignore[no-any-return]

    def encode(self, columns: Columns) -> tuple[Scores, NDArray[np.bool_]]:
        """Return the graph's input float64[rows, columns], and which rows are inside the domain."""
        plan = self.plan
        rows = len(columns[self._names[0]])
        inputs, inside = np.empty((rows, plan.width)), np.ones(rows, dtype=np.bool_)
        for column, feature in enumerate(plan.numbers):
            inputs[:, column] = values = np.asarray(columns[self._names[feature]], dtype=np.float64)
            inside &= ~np.isinf(values)
        for limit in plan.limits:
            values = np.asarray(columns[self._names[limit.feature]], dtype=np.float64)
            null = np.isnan(values)
            inside &= ~null if limit.required else True
            inside &= null | ((values >= limit.low) & (values <= limit.high))
        start = len(plan.numbers)
        for one, (_, _, table, other) in zip(plan.tables, self._tables, strict=True):
            inputs[:, start : start + one.width] = _look_up(table, other, columns[self._names[one.feature]], inside)
            start += one.width
        return inputs, inside


def _look_up(table: Mapping[Any, Row | None], other: Row | None, cells: Cells, inside: NDArray[np.bool_]) -> Scores:
    """Return the table's rows of these cells; marks in `inside` those that have none."""
    places = {level: place for place, level in enumerate(table)}
    unknown, null = len(places), places[None]
    found = np.array([null if cell != cell else places.get(cell, unknown) for cell in cells], dtype=np.intp)
    rows = [*table.values(), other]
    inside &= np.array([row is not None for row in rows])[found]
    width = max(len(row) for row in rows if row is not None) if any(rows) else 0
    values = np.array([row if row is not None else (math.nan,) * width for row in rows]).reshape(len(rows), width)
    return values[found]


def session_of(content: bytes) -> onnxruntime.InferenceSession:
    """Build a session that computes in the calling thread and is silent about everything but errors."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def load_compiled(path: Path, manifest: "Manifest") -> CompiledScorer:
    """Load the compiled form of the package directory `path`, whose bytes were verified; raises PackageRefused."""
    from shared.package.manifest import COMPILED

    try:
        return CompiledScorer((path / COMPILED).read_bytes(), manifest.features, manifest.score_columns)
    except Exception as error:  # ONNX Runtime raises whatever it likes
        raise PackageRefused("compiled", f"{COMPILED} cannot be loaded here: {error!r:.500}") from error
