"""Proves that a compiled form answers as the original does, on rows that would show a difference."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from shared.package.compiled.graph import INPUT
from shared.package.compiled.paths import path_rows
from shared.package.compiled.plan import Plan
from shared.package.compiled.rows import FEWEST, proof_rows
from shared.package.compiled.runtime import CompiledScorer
from shared.package.manifest import Feature, Task
from shared.package.score import Scores, predict_scores, to_frame

TOLERANCE = 1e-9
STEPS = 100
BATCH = 2048


class NotEqualError(Exception):
    """The compiled form is not the model; the message says how it differs."""


@dataclass(frozen=True)
class Equal:
    """On how many rows both were asked, and how far they were apart at most (relative above 1)."""

    rows: int
    max_difference: float


def prove(
    content: bytes,
    model: Any,
    task: Task,
    features: Sequence[Feature],
    classes: Sequence[str],
    real: Mapping[str, Sequence[Any]],
    also: bytes | None = None,
) -> Equal:
    """Compare both on at least 10,000 rows; raises NotEqualError.

    `real` are columns of real records; `also` is another compiled form at whose splits rows are made too.
    """
    scorer = CompiledScorer(content, features, len(classes) if task == "multiclass" else 1)
    columns: dict[str, list[Any]] = {feature.name: [] for feature in features}
    for form in [content] if also is None else [content, also]:
        plan = scorer.plan if form is content else CompiledScorer(form, features, scorer.score_columns).plan
        rows = proof_rows(features, real, plan, raw_splits(form, plan))
        paths = path_rows(form, plan, features, rows)
        for name, column in columns.items():
            column += rows[name] + paths[name]
    found, inside = _scored(scorer, columns)
    if inside.sum() < FEWEST:
        raise NotEqualError(f"only {inside.sum()} of {len(inside)} rows are inside the domain of the compiled form")
    frame = to_frame(features, columns).iloc[np.flatnonzero(inside)]
    try:
        with np.errstate(all="ignore"):
            wanted = predict_scores(model, task, frame, classes)
    except Exception as error:  # a model raises whatever it likes
        raise NotEqualError(f"the original refuses a row that the compiled form answers: {error!r:.300}") from error
    return compare(wanted, found, task)


def _scored(scorer: CompiledScorer, columns: Mapping[str, Sequence[Any]]) -> tuple[Scores, NDArray[np.bool_]]:
    """Scores of the rows inside the domain, and which those are; in parts, since a wide input takes memory."""
    rows = len(next(iter(columns.values())))
    parts = []
    for start in range(0, rows, BATCH):
        inputs, inside = scorer.encode({name: column[start : start + BATCH] for name, column in columns.items()})
        parts.append((scorer.run(inputs[inside]), inside))
    scores, kept = zip(*parts, strict=True)
    return np.concatenate(scores), np.concatenate(kept)


def compare(wanted: Scores, found: Scores, task: Task) -> Equal:
    """Return how far apart the scores are; raises NotEqualError above 1e-9 or where a decision would flip."""
    if wanted.shape != found.shape:
        raise NotEqualError(f"scores of shape {found.shape}, not {wanted.shape}")
    finite = np.isfinite(wanted).all(axis=1)
    if np.any(finite != np.isfinite(found).all(axis=1)):
        raise NotEqualError("one of the two gives no finite score where the other does")
    wanted, found = wanted[finite], found[finite]
    if len(wanted) < FEWEST:
        raise NotEqualError(f"only {len(wanted)} rows with finite scores")
    difference = float((np.abs(wanted - found) / np.maximum(1.0, np.abs(wanted))).max())
    if difference > TOLERANCE:
        raise NotEqualError(f"scores differ by up to {difference:.3g}")
    flips = int(np.any(_sides(wanted, wanted, task) != _sides(found, wanted, task), axis=1).sum())
    if flips:
        raise NotEqualError(f"{flips} rows would be decided otherwise")
    return Equal(len(wanted), difference)


def _sides(scores: Scores, original: Scores, task: Task) -> NDArray[np.intp]:
    """The side of a hundred thresholds on which each row lies, and the best of several classes."""
    # Extremes among the rows would stretch a regression's thresholds to where no usual score lies.
    low, high = (0.0, 1.0) if task != "regression" else np.quantile(original, [0.05, 0.95], method="nearest").tolist()
    sides = np.searchsorted(np.linspace(low, high, STEPS + 1)[1:-1], scores, side="left")
    return np.column_stack([sides, np.argmax(scores, axis=1)])


def raw_splits(content: bytes, plan: Plan) -> dict[int, NDArray[np.float64]]:
    """All splits of the graph's trees in raw numbers, by place of the feature."""
    found: dict[int, list[NDArray[np.float64]]] = {}
    for node in onnx.load_from_string(content).graph.node:
        if node.op_type != "TreeEnsemble" or node.input[0] != INPUT:
            continue
        attributes = {one.name: one for one in node.attribute}
        columns = np.array(attributes["nodes_featureids"].ints)
        splits = numpy_helper.to_array(attributes["nodes_splits"].t)
        for column, feature in enumerate(plan.numbers):
            found.setdefault(feature, []).append(splits[columns == column])
    for limit in plan.limits:
        found.setdefault(limit.feature, []).append(np.array([limit.low, limit.high]))
    return {feature: np.concatenate(parts) for feature, parts in found.items()}
