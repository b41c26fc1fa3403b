"""Scores rows with a compiled form: numpy and ONNX Runtime, nothing else; 1 thread, so that answers do not wait."""

import math
import struct
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from shared.package.compiled.levels import Levels, OutsideError
from shared.package.compiled.plan import KEY, Plan, read_plan
from shared.package.refusal import PackageRefused

if TYPE_CHECKING:
    from shared.package.manifest import Feature, Manifest

Scores = NDArray[np.float64]
Cells = Sequence[object] | NDArray[Any]
Columns = Mapping[str, Cells]
# One row: all numbers, then all categories, each in the order of the features.
Asked = tuple[Sequence[float | None], Sequence[str | None]]
__all__ = ["CompiledScorer", "OutsideError", "load_compiled", "session_of"]


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
        self._width = plan.width
        self._picks = [numbers[feature] for feature in plan.numbers]
        self._picks_all = self._picks == list(range(len(place["number"])))
        self._pack = struct.Struct(f"={len(self._picks)}d").pack
        self._limits = [(numbers[one.feature], one.required, one.low, one.high) for one in plan.limits]
        self._seen, self._bounds = _bounds_of(plan)
        self._taken = [self._seen.index(feature) for feature in plan.numbers]
        self._tables = [Levels(one) for one in plan.tables]
        self._looks = [
            (one.feature in categories, categories.get(one.feature, numbers.get(one.feature, 0)), levels.cells)
            for one, levels in zip(plan.tables, self._tables, strict=True)
        ]

    def score_row(self, numbers: Sequence[float | None], categories: Sequence[str | None]) -> list[float]:
        """Score one row: all numbers, then all categories, each in the order of `manifest.features`."""
        scores = self._score_encoded([self.encode_row(numbers, categories)])[0]
        if scores is None:
            raise OutsideError("no finite score")
        return scores

    def score_rows(self, rows: Iterable[Asked]) -> list[list[float] | None]:
        """Score rows as `score_row` does, in one call; None for each that the compiled form does not speak for."""
        encoded, inside = [], []
        for numbers, categories in rows:
            try:
                encoded.append(self.encode_row(numbers, categories))
            except OutsideError:
                inside.append(False)
            else:
                inside.append(True)
        scores = self._score_encoded(encoded) if encoded else []
        if len(scores) == len(inside):
            return scores
        found = iter(scores)
        return [next(found) if each else None for each in inside]

    def encode_row(self, numbers: Sequence[float | None], categories: Sequence[str | None]) -> bytes:
        """Return one row of the graph's input as bytes; raises OutsideError."""
        for position, required, low, high in self._limits:
            value = numbers[position]
            if required if value is None or value != value else not low <= value <= high:
                raise OutsideError(f"number {position} is outside the domain of the compiled form")
        picked = numbers if self._picks_all else [numbers[position] for position in self._picks]
        try:
            cells = [self._pack(*picked)]
        except struct.error:
            cells = [self._pack(*[math.nan if value is None else value for value in picked])]
        for is_category, position, table in self._looks:
            cell = categories[position] if is_category else numbers[position]
            found = table[None if cell != cell else cell]
            if found is None:
                raise OutsideError(f"value {cell!r:.50} is outside the domain of the compiled form")
            cells.append(found)
        return b"".join(cells)

    def _score_encoded(self, rows: Sequence[bytes]) -> list[list[float] | None]:
        inputs = np.frombuffer(b"".join(rows)).reshape(len(rows), self._width)
        scores = self._run(self._out, {self._in: inputs})[0].tolist()
        return [each if all(map(math.isfinite, each)) else None for each in scores]

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
        inputs, inside = np.empty((rows, self._width)), np.ones(rows, dtype=np.bool_)
        if self._seen:
            values = np.array([columns[self._names[feature]] for feature in self._seen], dtype=np.float64)
            inputs[:, : len(self._taken)] = values[self._taken].T
            low, high, optional = self._bounds
            sound = (values >= low) & (values <= high)
            if not sound.all():
                inside &= (sound | (optional & np.isnan(values))).all(axis=0)
        start = len(plan.numbers)
        for one, levels in zip(plan.tables, self._tables, strict=True):
            inputs[:, start : start + levels.width] = levels.look_up(columns[self._names[one.feature]], inside)
            start += levels.width
        return inputs, inside


def _bounds_of(plan: Plan) -> tuple[list[int], tuple[Scores, Scores, NDArray[np.bool_]]]:
    """The numbers that the plan reads or limits, with bounds[numbers, 1]: low, high, and whether null is inside."""
    seen = list(dict.fromkeys([*plan.numbers, *(one.feature for one in plan.limits)]))
    most = sys.float_info.max
    low = [[-most if feature in plan.numbers else -math.inf] for feature in seen]
    high, optional = [[-least] for [least] in low], [[True] for _ in seen]
    for limit in plan.limits:
        place = seen.index(limit.feature)
        low[place] = [max(*low[place], limit.low)]
        high[place] = [min(*high[place], limit.high)]
        optional[place] = [optional[place][0] and not limit.required]
    return seen, (np.array(low), np.array(high), np.array(optional, dtype=np.bool_))


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
