"""Bounds of the trees in a loaded model: scikit-learn walks them in compiled code that checks nothing.

A file may name any child and any feature; followed blindly, such a number reads memory that is not the tree's.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from shared.package.manifest import MODEL
from shared.package.refusal import PackageRefused

_NO_CHILD = -1


def check_trees(model: Any) -> None:
    """Raise PackageRefused where a tree leads outside itself, back to where it came from, or to no column."""
    for owner, tree in _trees(model, None, set()):
        columns = getattr(owner, "n_features_in_", None)
        if not isinstance(columns, int | np.integer):
            raise PackageRefused("allow_list", f"{MODEL} holds a tree that belongs to no estimator with columns")
        splits = _boosted(tree) if _is_boosted(tree) else _plain(tree)
        _check_branches(splits)
        if np.any((splits.feature < 0) | (splits.feature >= columns)):
            raise PackageRefused("allow_list", f"{MODEL} holds a tree that asks for a column beyond its {columns}")
        if _is_boosted(tree):
            _check_categories(owner, tree)


class _Splits(NamedTuple):
    """The inner nodes of a tree of so many `nodes`: where they stand, lead, and which column they ask."""

    nodes: int
    at: Any
    left: Any
    right: Any
    feature: Any


def _is_boosted(tree: Any) -> bool:
    return hasattr(tree, "raw_left_cat_bitsets")


def _trees(part: Any, owner: Any, seen: set[tuple[int, int]]) -> Iterator[tuple[Any, Any]]:
    """Every tree in the model with the nearest object around it that knows its number of columns."""
    from sklearn.ensemble._hist_gradient_boosting.predictor import TreePredictor
    from sklearn.tree._tree import Tree

    # A tree may stand in several estimators, and must fit each.
    if (id(part), id(owner)) in seen:
        return
    seen.add((id(part), id(owner)))
    if isinstance(part, Tree | TreePredictor):
        yield owner, part
        return
    if hasattr(part, "n_features_in_"):
        owner = part
    for inner in _parts(part):
        yield from _trees(inner, owner, seen)


def _parts(part: Any) -> list[Any]:
    if isinstance(part, dict):
        return list(part.values())
    if isinstance(part, list | tuple | set):
        return list(part)
    if isinstance(part, np.ndarray):
        return list(part.ravel()) if part.dtype == object else []
    return list(getattr(part, "__dict__", {}).values())


def _plain(tree: Any) -> _Splits:
    nodes = tree.__getstate__()["nodes"]
    at = np.flatnonzero(nodes["left_child"] != _NO_CHILD)
    return _Splits(len(nodes), at, *(nodes[name][at] for name in ("left_child", "right_child", "feature")))


def _boosted(tree: Any) -> _Splits:
    at = np.flatnonzero(tree.nodes["is_leaf"] == 0)
    columns = (tree.nodes[name][at].astype(np.int64) for name in ("left", "right", "feature_idx"))
    return _Splits(len(tree.nodes), at, *columns)


def _check_branches(splits: _Splits) -> None:
    """Children come after their parent, so a walk ends; and within the tree, so it stays there."""
    children = (splits.left, splits.right)
    if splits.nodes == 0 or any(np.any((child <= splits.at) | (child >= splits.nodes)) for child in children):
        raise PackageRefused("allow_list", f"{MODEL} holds a tree whose branches lead outside it or in a circle")


def _check_categories(owner: Any, tree: Any) -> None:
    asked = tree.nodes[(tree.nodes["is_leaf"] == 0) & (tree.nodes["is_categorical"] != 0)]
    if np.any(~np.isin(asked["feature_idx"], np.flatnonzero(owner._bin_mapper.is_categorical_))):
        raise PackageRefused("allow_list", f"{MODEL} holds a tree that takes a number for a category")
    if np.any(asked["bitset_idx"] >= min(len(tree.raw_left_cat_bitsets), len(tree.binned_left_cat_bitsets))):
        raise PackageRefused("allow_list", f"{MODEL} holds a tree that asks for a set of categories it has not")
