"""Linear predictors: scale, fill, multiply, in the original's order of rounding."""

from collections.abc import Mapping, Sequence

import numpy as np

from shared.package.compiled.errors import UnfoldableError
from shared.package.compiled.graph import INPUT, Graph
from shared.package.compiled.inputs import Inputs, Key
from shared.package.compiled.probe import LARGEST, Floats, Probe
from shared.package.compiled.trees import Bounds, bound_reach, level_columns
from shared.package.compiled.walk import Affine, Source


class Linear:
    """`coefficients` is float64[outputs, columns], `intercepts` float64[outputs]."""

    def __init__(
        self, coefficients: Floats, intercepts: Floats, sources: Sequence[Source], probe: Probe, inputs: Inputs
    ) -> None:
        self._coefficients, self._intercepts = coefficients, intercepts
        self._keys: list[Key] = []
        self._affine: list[Affine] = []
        self._null = np.zeros(len(sources))
        levels = {feature: level_columns(sources, feature, probe) for feature in {one.feature for one in sources}}
        for column, source in enumerate(sources):
            values = levels[source.feature][column]
            if source.kind == "levels":
                self._keys.append(inputs.level(source.feature, values))
                self._affine.append(Affine())
            elif source.affine is None:
                raise UnfoldableError("a linear model behind a transformer that is not a single scaler")
            else:
                self._keys.append(inputs.number(source.feature))
                self._affine.append(source.affine)
                self._null[column] = values.null
        # A linear model refuses what is not finite, so the bounds are where the transformers leave float64.
        bounds = Bounds(sources, LARGEST)
        bounds.tell(sources, probe.cross(sources, bounds.columns, bounds.splits, single=False), inputs)
        bound_reach(sources, probe, inputs)

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
        if np.any(~np.isnan(self._null) & rising):
            value = graph.add("Where", graph.add("IsNaN", raw), graph.constant(self._null), value)
        product = graph.add("MatMul", value, graph.constant(np.ascontiguousarray(self._coefficients.T)))
        return graph.add("Add", product, graph.constant(self._intercepts))
