"""From columns to scores: the one way in which training, gates and serving ask a model."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from shared.package.manifest import Feature, Task
from shared.package.refusal import PackageRefused

if TYPE_CHECKING:
    import pandas as pd

Scores = NDArray[np.float64]


def to_frame(features: Sequence[Feature], columns: Mapping[str, Sequence[Any] | NDArray[Any]]) -> "pd.DataFrame":
    """Return the model's input: float64 with NaN for null, object with None for null, in the features' order.

    One conversion for everybody: a string dtype in training and objects in serving would encode null differently.
    """
    # A second of import that serving, which answers from compiled forms, must not wait for.
    import pandas as pd

    return pd.DataFrame(
        {feature.name: _column(feature, columns[feature.name]) for feature in features},
        columns=pd.Index([feature.name for feature in features], dtype=object),
    )


def _column(feature: Feature, values: Sequence[Any] | NDArray[Any]) -> "pd.Series[Any]":
    import pandas as pd

    if feature.type == "number":
        return pd.Series(np.asarray(values, dtype=np.float64))
    cells = np.empty(len(values), dtype=object)
    cells[:] = [None if value is None or value != value else str(value) for value in values]
    return pd.Series(cells, dtype=object)


def predict_scores(model: Any, task: Task, frame: "pd.DataFrame", classes: Sequence[str] = ()) -> Scores:
    """Return float64[rows, k]: k = 1 for binary (P(positive), the last class) and regression, else one per class.

    A model may know its classes by name or by position in `classes`; the columns follow the contract's order.
    """
    if task == "regression":
        return np.asarray(model.predict(frame), dtype=np.float64).reshape(-1, 1)
    probabilities = np.asarray(model.predict_proba(frame), dtype=np.float64)
    known = list(model.classes_)
    wanted = 2 if task == "binary" else len(classes) or len(known)
    scores = np.zeros((len(frame), wanted))
    for column, label in enumerate(known):
        scores[:, class_position(label, classes, wanted)] = probabilities[:, column]
    return scores[:, 1:] if task == "binary" else scores


def class_position(label: Any, classes: Sequence[str], wanted: int) -> int:
    """Where a class of the model stands among the contract's classes, of which there are `wanted`."""
    if isinstance(label, str) and label in classes:
        return classes.index(label)
    if not isinstance(label, str) and 0 <= int(label) < wanted:
        return int(label)
    known = f"one of {list(classes)}, nor a position from 0 to {wanted - 1}"
    raise PackageRefused("golden", f"the model answers with a class {label!r} that is not {known}")
