"""Follows fitted steps that mix columns: which columns a model is given, each as it is, or as nodes make it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
import pandas as pd

from shared.package.compiled.errors import UnfoldableError
from shared.package.compiled.graph import INPUT, Graph
from shared.package.compiled.inputs import Inputs, Key, LevelColumn
from shared.package.compiled.nodes import EXACT, EXACT_FUNCTIONS, NODES, picked
from shared.package.compiled.probe import UNKNOWN, Cell, Floats
from shared.package.manifest import Feature
from shared.package.score import to_frame

Place = Mapping[Key, int]
Emit = Callable[[Graph, Place], str]
ENCODERS = ("OneHotEncoder", "OrdinalEncoder", "TargetEncoder")
# Numbers further out than so many times the range of real ones are left to the original.
WIDER = 10.0


@dataclass(frozen=True)
class Raw:
    """A feature as steps on it alone have left it; `cells` says what becomes of values of the feature."""

    feature: int
    text: bool
    cells: Callable[[Sequence[Cell]], Sequence[Any]]
    touched: bool = False


@dataclass(frozen=True)
class Asked:
    """A column of the graph's input."""

    key: Key


@dataclass(frozen=True)
class Made:
    """A column of a matrix that nodes make; `exact`: it is the original's to the last bit."""

    emit: Emit
    column: int
    exact: bool


Column = Raw | Asked | Made


@dataclass(frozen=True)
class Given:
    """Stands before the steps of a model that is not given the record, but what others made of it."""

    columns: tuple[Made, ...]


class Matrix:
    """What the steps before a model make of a record."""

    def __init__(
        self,
        features: Sequence[Feature],
        usual: Mapping[str, Cell],
        sample: Mapping[str, Sequence[Any]],
        inputs: Inputs,
    ) -> None:
        self._features, self._usual, self._sample, self._inputs = features, usual, sample, inputs

    def behind(self, steps: Sequence[Any]) -> tuple[Emit, int, bool]:
        """Return the matrix behind the steps, its width, and whether it is exact; raises UnfoldableError."""
        columns: list[Column] = [self._raw(place) for place in range(len(self._features))]
        for step in steps:
            columns = list(step.columns) if isinstance(step, Given) else self._after(step, columns)
        emit = self._joined(columns)
        return emit, len(columns), all(one.exact for one in columns if isinstance(one, Made))

    def _raw(self, place: int) -> Raw:
        feature = self._features[place]

        def cells(values: Sequence[Cell]) -> Sequence[Any]:
            return to_frame([feature], {feature.name: values})[feature.name].tolist()

        return Raw(place, feature.type == "category", cells)

    def _after(self, step: Any, columns: list[Column]) -> list[Column]:
        if step is None or (isinstance(step, str) and step == "passthrough"):
            return columns
        if isinstance(step, str):
            return []
        name = type(step).__name__
        if type(step).__module__.partition(".")[0] != "sklearn":
            raise UnfoldableError(f"{type(step).__module__}.{name} is not scikit-learn's")
        if name in _STRUCTURE:
            return _STRUCTURE[name](self, step, columns)
        if name in ENCODERS:
            return self._encoded(step, columns)
        if hasattr(step, "get_support"):
            return [columns[place] for place in np.flatnonzero(step.get_support())]
        if name == "SimpleImputer" and all(isinstance(one, Raw) and one.text for one in columns):
            return self._imputed(step, columns)
        return self._made(step, name, columns)

    def _made(self, step: Any, name: str, columns: list[Column]) -> list[Column]:
        if name == "FunctionTransformer" and step.func is None:
            return columns
        if name not in NODES:
            raise UnfoldableError(f"{name} has no exact form in float64 nodes")
        inner, exact = self._joined(columns), all(one.exact for one in columns if isinstance(one, Made))
        emit = once(lambda graph, place: NODES[name](graph, step, inner(graph, place)))
        # A step of which a part has no node says so now, and not when the graph is written.
        NODES[name](Graph(), step, INPUT)
        with np.errstate(all="ignore"):
            width = _dense(step.transform(_named(step, np.ones((1, len(columns)))))).shape[1]
        exact = exact and (name in EXACT or (name == "FunctionTransformer" and step.func.__name__ in EXACT_FUNCTIONS))
        return [Made(emit, column, exact) for column in range(width)]

    def _joined(self, columns: Sequence[Column]) -> Emit:
        """All columns as one matrix: neighbours that come from one place are taken in one go."""
        asked = [Asked(self._number(one)) if isinstance(one, Raw) else one for one in columns]
        if not asked:
            raise UnfoldableError("the model is given no column")
        runs = [list(run) for _, run in groupby(asked, lambda one: one.emit if isinstance(one, Made) else None)]

        def emit(graph: Graph, place: Place) -> str:
            parts = [_taken(graph, place, run) for run in runs]
            return graph.add("Concat", *parts, axis=1) if len(parts) > 1 else parts[0]

        return once(emit)

    def _number(self, raw: Raw) -> Key:
        if raw.text or raw.touched:
            raise UnfoldableError(f"{self._features[raw.feature].name} is given as text where numbers are needed")
        real = np.asarray(self._sample[self._features[raw.feature].name], dtype=np.float64)
        low, high = (float(np.nanmin(real)), float(np.nanmax(real))) if not np.isnan(real).all() else (0.0, 0.0)
        room = WIDER * max(high - low, 1e-6 * max(abs(low), abs(high)), 1e-300)
        self._inputs.bound(raw.feature, low - room, high + room)
        return self._inputs.number(raw.feature)

    def _imputed(self, step: Any, columns: list[Column]) -> list[Column]:
        """Texts with gaps filled: the step itself is asked."""
        raws = _raws(step, columns)
        if step.add_indicator or len(step.get_feature_names_out()) != len(raws):
            raise UnfoldableError("SimpleImputer of texts with an indicator or an empty column")

        def cells_of(place: int) -> Callable[[Sequence[Cell]], Sequence[Any]]:
            return lambda values: self._ask(step, raws, place, values)[:, place].tolist()

        return [Raw(raw.feature, True, cells_of(place), touched=True) for place, raw in enumerate(raws)]

    def _encoded(self, step: Any, columns: list[Column]) -> list[Column]:
        """Levels become columns of the graph's input: the encoder itself is asked."""
        raws, found = _raws(step, columns), list[Column]()
        widths = _widths(step)
        for place, raw in enumerate(raws):
            wanted = str if raw.text else float
            levels = [one for one in (_cell(each) for each in step.categories_[place]) if type(one) is wanted]
            kind = self._features[raw.feature].type
            self._inputs.levels.setdefault(raw.feature, set()).update(levels)
            start = sum(widths[:place])
            answers = self._or_nan(step, raws, place, [*levels, None, UNKNOWN[kind]], sum(widths))
            for column in range(start, start + widths[place]):
                *values, null, other = (float(value) for value in answers[:, column])
                known = dict(zip(levels, values, strict=True))
                found.append(Asked(self._inputs.level(raw.feature, LevelColumn(known, null, other))))
        return found

    def _or_nan(self, step: Any, raws: Sequence[Raw], place: int, values: Sequence[Cell], width: int) -> Floats:
        """What the encoder says; NaN where it raises: such a value is outside the domain anyway."""
        try:
            return np.asarray(self._ask(step, raws, place, values), dtype=np.float64)
        except Exception:  # transformers raise whatever they like
            if len(values) == 1:
                return np.full((1, width), np.nan)
            return np.concatenate([self._or_nan(step, raws, place, [value], width) for value in values])

    def _ask(self, step: Any, raws: Sequence[Raw], place: int, values: Sequence[Cell]) -> Any:
        """What the step makes of values of one feature; the others stay usual."""
        cells = np.empty((len(values), len(raws)), dtype=object)
        for column, raw in enumerate(raws):
            usual = [self._usual[self._features[raw.feature].name]] * len(values)
            cells[:, column] = raw.cells(values if column == place else usual)
        given = cells if any(raw.text for raw in raws) else cells.astype(np.float64)
        return _dense(step.transform(_named(step, given)))


def _columns(matrix: Matrix, step: Any, columns: list[Column]) -> list[Column]:
    found: list[Column] = []
    for name, each, _ in step.transformers_:
        places = step._transformer_to_input_indices[name]
        found += matrix._after(each, [columns[place] for place in places]) if len(places) else []
    return found


def _pipeline(matrix: Matrix, step: Any, columns: list[Column]) -> list[Column]:
    for _, each in step.steps:
        columns = matrix._after(each, columns)
    return columns


def _union(matrix: Matrix, step: Any, columns: list[Column]) -> list[Column]:
    if step.transformer_weights:
        raise UnfoldableError("FeatureUnion with weights")
    return [column for _, each in step.transformer_list for column in matrix._after(each, columns)]


_STRUCTURE = {"ColumnTransformer": _columns, "FeatureUnion": _union, "Pipeline": _pipeline}


def once(emit: Emit) -> Emit:
    """Emit into each graph once: who asks again is given the same name."""
    known: dict[int, tuple[Graph, str]] = {}

    def emit_once(graph: Graph, place: Place) -> str:
        if id(graph) not in known:
            known[id(graph)] = (graph, emit(graph, place))
        return known[id(graph)][1]

    return emit_once


def _taken(graph: Graph, place: Place, run: Sequence[Any]) -> str:
    if isinstance(run[0], Made):
        return picked(graph, run[0].emit(graph, place), [one.column for one in run])
    places = [place[one.key] for one in run]
    return INPUT if places == list(range(len(place))) else picked(graph, INPUT, places)


def _raws(step: Any, columns: Sequence[Column]) -> list[Raw]:
    raws = [one for one in columns if isinstance(one, Raw)]
    if len(raws) < len(columns):
        raise UnfoldableError(f"{type(step).__name__} of numbers that were changed before")
    return raws


def _widths(step: Any) -> list[int]:
    columns = len(step.categories_)
    if type(step).__name__ == "OneHotEncoder":
        return [int(width) for width in step._n_features_outs]
    many = type(step).__name__ == "TargetEncoder" and step.target_type_ == "multiclass"
    return [len(step.classes_) if many else 1] * columns


def _cell(value: Any) -> Any:
    return float(value) if isinstance(value, int | float | np.integer | np.floating) and value == value else value


def _named(step: Any, values: Any) -> Any:
    """With the names that the step was fitted with, where it was."""
    names = getattr(step, "feature_names_in_", None)
    # Without the type pandas would make texts of its own of objects, and another null.
    return values if names is None else pd.DataFrame(values, columns=names, dtype=values.dtype)


def _dense(found: Any) -> Any:
    return found.toarray() if hasattr(found, "toarray") else np.asarray(found)
