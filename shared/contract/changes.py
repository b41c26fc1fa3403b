"""Says what differs between two contracts, and whether the released model can serve on under the new one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from shared.contract.schema import Contract

# What a model is: its inputs, what it predicts, and how it is made. All else is what it is used for.
_MODEL = ("use_case", "task", "timezone", "event_time", "features", "training")
_MODEL_PATHS = ("label.name", "label.classes", "label.range", "label.observed_when")
# Order decides here: ties between decisions, columns of the model.
_ORDERED = ("decisions", "features")


def changed(old: Contract, new: Contract) -> list[str]:
    """Dotted paths that differ, sorted: ["decisions.review.capacity.limit"]."""
    before, after = old.to_json(), new.to_json()
    paths = set(_differences("", before, after))
    for name in _ORDERED:
        first, second = before.get(name), after.get(name)
        if first and second and set(first) == set(second) and list(first) != list(second):
            paths.add(name)
    return sorted(paths)


def objective_only(paths: Sequence[str]) -> bool:
    """Whether the released package serves on under these changes, with a new policy and without training."""
    return not any(path.split(".")[0] in _MODEL or path.startswith(_MODEL_PATHS) for path in paths)


def _differences(path: str, before: Any, after: Any) -> Iterator[str]:
    if isinstance(before, dict) and isinstance(after, dict):
        for key in before.keys() | after.keys():
            yield from _differences(f"{path}.{key}" if path else key, before.get(key), after.get(key))
    elif before != after:
        yield path
