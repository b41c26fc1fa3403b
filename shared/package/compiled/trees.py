"""Trees of scikit-learn as one TreeEnsemble node, with splits in the raw numbers."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import numpy_helper

from shared.package.compiled.errors import UnfoldableError
from shared.package.compiled.graph import INPUT, ML, Graph
from shared.package.compiled.inputs import Inputs, Key, LevelColumn
from shared.package.compiled.probe import LARGEST, Floats, Probe, to_single
from shared.package.compiled.walk import Source

SINGLE_LARGEST = float(np.finfo(np.float32).max)
MOST_NODES = 4_000_000


@dataclass(frozen=True)
class Tree:
    """Nodes of one tree as scikit-learn holds them; `value` is float64[nodes], `target` the score it adds to."""

    leaf: NDArray[np.bool_]
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    column: NDArray[np.int64]
    split: Floats
    null_left: NDArray[np.bool_]
    value: Floats
    target: int = 0


def constant(value: float, target: int = 0) -> Tree:
    """A tree that says the same of every row."""
    one, zero = np.ones(1, dtype=bool), np.zeros(1, dtype=np.int64)
    return Tree(one, zero, zero, zero, np.zeros(1), ~one, np.array([value]), target)


def boosted(predictor: Any, target: int = 0) -> Tree:
    """One tree of HistGradientBoosting."""
    nodes = predictor.nodes
    leaf = nodes["is_leaf"].astype(bool)
    whole = {name: nodes[name].astype(np.int64) for name in ("left", "right", "feature_idx")}
    null_left = nodes["missing_go_to_left"].astype(bool)
    splits, values = nodes["num_threshold"].astype(np.float64), nodes["value"].astype(np.float64)
    return Tree(leaf, whole["left"], whole["right"], whole["feature_idx"], splits, null_left, values, target)


def plain(tree: Any, values: Floats, target: int = 0) -> Tree:
    """One tree of scikit-learn's other ensembles."""
    nodes = tree.__getstate__()["nodes"]
    leaf = nodes["left_child"] == -1
    null_left = nodes["missing_go_to_left"].astype(bool)
    left, right, column = (nodes[name].astype(np.int64) for name in ("left_child", "right_child", "feature"))
    return Tree(leaf, left, right, column, nodes["threshold"].astype(np.float64), null_left, values, target)


class Ensemble:
    """Trees over the columns of a probe, rewritten for the graph's own input."""

    def __init__(
        self, trees: Sequence[Tree], sources: Sequence[Source], probe: Probe, inputs: Inputs, *, single: bool
    ) -> None:
        if sum(len(tree.leaf) for tree in trees) > MOST_NODES:
            raise UnfoldableError(f"more than {MOST_NODES:,} nodes of trees")
        self._trees = trees
        self._columns, self._splits, self._null_left = whole(trees)
        self._keys: dict[int, Key] = {}
        self._fold(sources, probe, inputs, single)

    def _fold(self, sources: Sequence[Source], probe: Probe, inputs: Inputs, single: bool) -> None:
        nulls = np.full(len(sources), np.nan)
        used = set(self._columns.tolist())
        for feature in sorted({sources[column].feature for column in used}):
            for column, values in level_columns(sources, feature, probe, single=single).items():
                nulls[column] = values.null
                if column in used:
                    levelled = sources[column].kind == "levels"
                    self._keys[column] = inputs.level(feature, values) if levelled else inputs.number(feature)
        # What a level holds is a value or NaN itself, and NaN goes where the tree sends it; so does a null that stays.
        rising = np.array([source.kind == "rising" for source in sources], dtype=bool)
        fixed = (rising & ~np.isnan(nulls))[self._columns]
        self._null_left = np.where(fixed, nulls[self._columns] <= self._splits, self._null_left)
        self._splits = np.where(rising[self._columns], self._crossed(sources, probe, inputs, single), self._splits)

    def _crossed(self, sources: Sequence[Source], probe: Probe, inputs: Inputs, single: bool) -> Floats:
        """The raw number at each split; and bounds where the model would refuse the number."""
        pairs = np.stack([self._columns.astype(np.float64), self._splits])
        unique, back = np.unique(pairs, axis=1, return_inverse=True)
        columns, splits = unique[0].astype(np.intp), unique[1]
        rising = np.array([sources[column].kind == "rising" for column in columns], dtype=bool)
        bounds = Bounds(sources, SINGLE_LARGEST) if single else Bounds((), SINGLE_LARGEST)
        crossed = probe.cross(
            sources,
            np.concatenate([columns[rising], bounds.columns]),
            np.concatenate([splits[rising], bounds.splits]),
            single,
        )
        splits[rising] = crossed[: np.count_nonzero(rising)]
        bounds.tell(sources, crossed[np.count_nonzero(rising) :], inputs)
        bound_reach(sources, probe, inputs)
        found: Floats = splits[back.ravel()]
        return found

    def emit(self, graph: Graph, place: Mapping[Key, int]) -> str:
        """Add the node and return the name of its output, float64[rows, targets]."""
        where = np.zeros(max(self._keys, default=0) + 1, dtype=np.int64)
        for column, key in self._keys.items():
            where[column] = place[key]
        attributes = attributes_of(self._trees, where[self._columns], self._splits, self._null_left)
        return tree_node(graph, INPUT, max(tree.target for tree in self._trees) + 1, attributes)


def whole(trees: Sequence[Tree]) -> tuple[NDArray[np.intp], Floats, NDArray[np.bool_]]:
    """Columns, splits and where a null goes, of all inner nodes, tree by tree."""
    inner = [~tree.leaf for tree in trees]
    columns = np.concatenate([tree.column[mine] for tree, mine in zip(trees, inner, strict=True)]).astype(np.intp)
    splits = np.concatenate([tree.split[mine] for tree, mine in zip(trees, inner, strict=True)])
    return columns, splits, np.concatenate([tree.null_left[mine] for tree, mine in zip(trees, inner, strict=True)])


def tree_node(graph: Graph, value: str, targets: int, attributes: dict[str, Any]) -> str:
    """Add a TreeEnsemble that sums the leaves of each target."""
    fixed = {"n_targets": targets, "aggregate_function": 1, "post_transform": 0}
    return graph.add("TreeEnsemble", value, domain=ML, **fixed, **attributes)


class Bounds:
    """The questions that bound each number: where does what the transformers make of it pass `most`, either way."""

    def __init__(self, sources: Sequence[Source], most: float) -> None:
        rising = [column for column, source in enumerate(sources) if source.kind == "rising"]
        self.columns = np.array(rising * 2, dtype=np.intp)
        self.splits = np.repeat([most, -np.inf], len(rising))

    def tell(self, sources: Sequence[Source], crossed: Floats, inputs: Inputs) -> None:
        """Leave the numbers beyond to the original, which refuses them."""
        high, low = np.split(crossed, 2)
        for column, smallest, largest in zip(self.columns.tolist(), low.tolist(), high.tolist(), strict=False):
            first = -LARGEST if smallest == -np.inf else float(np.nextafter(smallest, np.inf))
            inputs.bound(sources[column].feature, first, min(largest, LARGEST))


def bound_reach(sources: Sequence[Source], probe: Probe, inputs: Inputs) -> None:
    """Leave numbers to the original that a transformer on their way refuses."""
    for source in sources:
        if source.kind == "rising" and not source.exact:
            inputs.bound(source.feature, -probe.reach, probe.reach)


def level_columns(
    sources: Sequence[Source], feature: int, probe: Probe, *, single: bool = False
) -> dict[int, LevelColumn]:
    """Ask for all columns of one feature at once: at its levels, at null and at a level that nobody knows."""
    mine = [column for column, source in enumerate(sources) if source.feature == feature]
    levels = list(dict.fromkeys(level for column in mine for level in sources[column].levels))
    found = probe.transform_or_nan(feature, [*levels, None, probe.unknown(feature)], len(sources))
    if single:
        found = to_single(found)
    columns = {}
    for column in mine:
        *values, null, other = found[:, column].tolist()
        columns[column] = LevelColumn(dict(zip(levels, values, strict=True)), null, other)
    return columns


def attributes_of(
    trees: Sequence[Tree], columns: NDArray[np.int64], splits: Floats, null_left: NDArray[np.bool_]
) -> dict[str, Any]:
    """The attributes of TreeEnsemble-5: inner nodes and leaves are numbered apart, each over all trees."""
    parts: dict[str, list[NDArray[Any]]] = defaultdict(list)
    nodes = leaves = taken = 0
    for tree in trees:
        span = slice(taken, taken + int(np.count_nonzero(~tree.leaf)))
        taken = span.stop
        one = _one(tree, columns[span], splits[span], null_left[span], nodes, leaves)
        nodes, leaves = nodes + len(one["nodes_splits"]), leaves + len(one["leaf_weights"])
        for name, values in one.items():
            parts[name].append(values)
    whole = {name: np.concatenate(values) for name, values in parts.items()}
    tensors = {name: numpy_helper.from_array(whole.pop(name), name) for name in ("nodes_splits", "leaf_weights")}
    modes = numpy_helper.from_array(np.zeros(nodes, dtype=np.uint8), "nodes_modes")
    if not whole["nodes_missing_value_tracks_true"].any():
        del whole["nodes_missing_value_tracks_true"]
    return {**{name: values.tolist() for name, values in whole.items()}, **tensors, "nodes_modes": modes}


def _one(
    tree: Tree, columns: NDArray[np.int64], splits: Floats, null_left: NDArray[np.bool_], nodes: int, leaves: int
) -> dict[str, NDArray[Any]]:
    inner = ~tree.leaf
    if not inner.any():
        # A tree needs a node: both of its sides say the same.
        return _one(_split_in_two(tree), np.zeros(1, np.int64), np.zeros(1), np.zeros(1, np.bool_), nodes, leaves)
    place = np.where(tree.leaf, np.cumsum(tree.leaf) - 1 + leaves, np.cumsum(inner) - 1 + nodes)
    left, right = tree.left[inner], tree.right[inner]
    return {
        "tree_roots": np.array([nodes]),
        "nodes_featureids": columns,
        "nodes_splits": splits,
        "nodes_missing_value_tracks_true": null_left.astype(np.int64),
        "nodes_truenodeids": place[left],
        "nodes_trueleafs": tree.leaf[left].astype(np.int64),
        "nodes_falsenodeids": place[right],
        "nodes_falseleafs": tree.leaf[right].astype(np.int64),
        "leaf_targetids": np.full(int(tree.leaf.sum()), tree.target),
        "leaf_weights": tree.value[tree.leaf],
    }


def _split_in_two(tree: Tree) -> Tree:
    leaf = np.array([False, True, True])
    return replace(tree, leaf=leaf, left=np.array([1, 0, 0]), right=np.array([2, 0, 0]), value=np.repeat(tree.value, 3))
