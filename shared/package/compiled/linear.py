"""Linear predictors: scale, fill, multiply, in the original's order of rounding."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from shared.package.compiled.errors import UnfoldableError
from shared.package.compiled.graph import INPUT, Graph
from shared.package.compiled.inputs import Inputs, Key, LevelColumn
from shared.package.compiled.probe import LARGEST, Floats, Probe
from shared.package.compiled.trees import Bounds, bound_reach, level_columns
from shared.package.compiled.walk import Affine, Source


class Linear:
    """`coefficients` is float64[outputs, columns], `intercepts` float64[outputs]."""

    def __init__(
        self, coefficients: Floats, intercepts: Floats, sources: Sequence[Source], probe: Probe, inputs: Inputs
    ) -> None:
        self._intercepts = intercepts
        self._keys: list[Key] = []
        self._affine: list[Affine] = []
        self._null: list[float] = []
        self._coefficients: list[Floats] = []
        for feature in sorted({source.feature for source in sources}):
            levels = level_columns(sources, feature, probe)
            mine = [column for column in levels if sources[column].kind == "levels"]
            for column in sorted(set(levels) - set(mine)):
                affine = sources[column].affine
                if affine is None:
                    raise UnfoldableError("a linear model behind a transformer that is not a single scaler")
                self._take(inputs.number(feature), coefficients[:, column], affine, levels[column].null)
            if len(mine) <= len(coefficients):
                for column in mine:
                    self._take(inputs.level(feature, levels[column]), coefficients[:, column])
                continue
            for output in range(len(coefficients)):
                summed = _weighted([levels[column] for column in mine], coefficients[output, mine])
                self._take(inputs.level(feature, summed), np.eye(len(coefficients))[output])
        # A linear model refuses what is not finite, so the bounds are where the transformers leave float64.
        bounds = Bounds(sources, LARGEST)
        bounds.tell(sources, probe.cross(sources, bounds.columns, bounds.splits, single=False), inputs)
        bound_reach(sources, probe, inputs)

    def _take(self, key: Key, coefficients: Floats, affine: Affine | None = None, null: float = 0.0) -> None:
        self._keys.append(key)
        self._affine.append(affine or Affine())
        self._null.append(null)
        self._coefficients.append(coefficients)

    def emit(self, graph: Graph, place: Mapping[Key, int]) -> str:
        """Add the nodes and return the name of the result, float64[rows, outputs]."""
        places = [place[key] for key in self._keys]
        value = INPUT
        if places != list(range(len(place))):
            value = graph.add("Gather", INPUT, graph.constant(places, np.int64), axis=1)
        raw = value
        for operator, part in (("Sub", "minus"), ("Div", "over"), ("Mul", "times"), ("Add", "plus")):
            numbers = [getattr(one, part) for one in self._affine]
            if any(number != getattr(Affine(), part) for number in numbers):
                value = graph.add(operator, value, graph.constant(numbers))
        rising = [key[0] == "number" for key in self._keys]
        if np.any(~np.isnan(self._null) & np.array(rising)):
            value = graph.add("Where", graph.add("IsNaN", raw), graph.constant(self._null), value)
        product = graph.add("MatMul", value, graph.constant(np.stack(self._coefficients)))
        return graph.add("Add", product, graph.constant(self._intercepts))


def _weighted(columns: Sequence[LevelColumn], weights: Floats) -> LevelColumn:
    """What all columns of a feature add to one output: a number per level, in place of a column per level."""

    def add(values: Iterable[float]) -> float:
        return float(np.dot(np.fromiter(values, dtype=np.float64), weights))

    levels = columns[0].values
    return LevelColumn(
        {level: add(column.at(level) for column in columns) for level in levels},
        add(column.null for column in columns),
        add(column.other for column in columns),
    )
