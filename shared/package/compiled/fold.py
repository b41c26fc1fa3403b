"""Compiles a fitted scikit-learn pipeline into one ONNX graph; whether it is equal is for `proof` to say."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import numpy as np

from shared.package.compiled.errors import UnfoldableError
from shared.package.compiled.export import Exporter
from shared.package.compiled.graph import Graph
from shared.package.compiled.inputs import OTHER, Inputs
from shared.package.compiled.models import Emit, Folder
from shared.package.compiled.plan import KEY
from shared.package.compiled.probe import UNKNOWN, Cell
from shared.package.manifest import Feature, Task
from shared.package.score import class_position, predict_scores, to_frame


def fold(
    model: Any, task: Task, features: Sequence[Feature], classes: Sequence[str], sample: Mapping[str, Sequence[Any]]
) -> bytes:
    """Return the bytes of compiled.onnx; raises UnfoldableError saying what does not fold.

    `sample` are columns of some records; the one with the fewest nulls stands for the usual.
    """
    usual = _usual(features, sample)
    return _compiled(Folder(features, usual), _Original(model, task, features, classes, usual))


def export(
    model: Any, task: Task, features: Sequence[Feature], classes: Sequence[str], sample: Mapping[str, Sequence[Any]]
) -> bytes:
    """The same for a model of which parts only fold: what does not becomes float64 nodes of its own."""
    usual = _usual(features, sample)
    return _compiled(Exporter(features, usual, sample), _Original(model, task, features, classes, usual))


def fold_or_export(
    model: Any, task: Task, features: Sequence[Feature], classes: Sequence[str], sample: Mapping[str, Sequence[Any]]
) -> tuple[Literal["fold", "export"], bytes]:
    """Return the first form there is; raises UnfoldableError saying why there is none."""
    try:
        return "fold", fold(model, task, features, classes, sample)
    except UnfoldableError:
        return "export", export(model, task, features, classes, sample)


def _usual(features: Sequence[Feature], sample: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    names = [feature.name for feature in features]
    records: list[tuple[Any, ...]] = list(zip(*(sample[name] for name in names), strict=True))
    return dict(zip(names, min(records, key=_nulls), strict=True))


def _compiled(folder: Folder, original: "_Original") -> bytes:
    model, task, classes = original.ask
    emit = folder.predictions(model) if task == "regression" else _in_order(folder.chances(model), model, task, classes)
    _mark_outside(folder.inputs, original)
    plan, place = folder.inputs.settle()
    if not plan.width:
        raise UnfoldableError("the model looks at no feature")
    graph = Graph()
    columns = len(classes) if task == "multiclass" else 1
    return graph.to_bytes(emit(graph, place), plan.width, columns, {KEY: plan.to_json()})


def _nulls(record: Iterable[Any]) -> int:
    return sum(value is None or value != value for value in record)


class _Original:
    """The original model, asked whether it answers at all."""

    def __init__(
        self, model: Any, task: Task, features: Sequence[Feature], classes: Sequence[str], usual: Mapping[str, Cell]
    ) -> None:
        self.ask = (model, task, classes)
        self.features, self._usual = features, usual

    def refuses(self, feature: int, cells: Sequence[Cell]) -> list[Cell]:
        """Which of these values of a feature it raises on."""
        columns = {name: [value] * len(cells) for name, value in self._usual.items()}
        columns[self.features[feature].name] = list(cells)
        model, task, classes = self.ask
        try:
            with np.errstate(all="ignore"):
                predict_scores(model, task, to_frame(self.features, columns), classes)
        except Exception:  # a model raises whatever it likes
            return list(cells) if len(cells) == 1 else [c for cell in cells for c in self.refuses(feature, [cell])]
        return []


def _mark_outside(inputs: Inputs, original: _Original) -> None:
    """Leave to the original what it raises on: the client shall see the same error."""
    for place, feature in enumerate(original.features):
        levels = sorted(inputs.levels.get(place, ()), key=repr)
        if feature.type == "number" and original.refuses(place, [None]):
            inputs.required.add(place)
        if feature.type == "category" or levels:
            unknown = UNKNOWN[feature.type]
            refused = original.refuses(place, [*levels, None, unknown])
            if refused:
                inputs.outside[place] = {OTHER if cell == unknown else cell for cell in refused}


def _in_order(chances: Emit, model: Any, task: Task, classes: Sequence[str]) -> Emit:
    """Scores in the contract's order of classes, whatever the order in which the model knows them."""
    known, wanted = list(model.classes_), len(classes)
    places = [class_position(label, classes, wanted) for label in known]
    if sorted(places) != list(range(wanted)):
        raise UnfoldableError("the model has not seen every class")
    if places == list(range(wanted)):
        return chances
    if task == "binary":
        return lambda graph, place: graph.add("Sub", graph.constant([1.0]), chances(graph, place))
    order = np.argsort(places)
    return lambda graph, place: graph.add("Gather", chances(graph, place), graph.constant(order, np.int64), axis=1)
