"""Checks a compiled form that somebody else may have made: first what it is, then whether it is the model."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import AttributeProto, TensorProto, numpy_helper

from shared.package.compiled.errors import UnfoldableError
from shared.package.compiled.fold import fold_or_export
from shared.package.compiled.graph import INPUT, ML, OPSETS, OUTPUT
from shared.package.compiled.plan import KEY, read_plan
from shared.package.compiled.proof import NotEqualError, prove
from shared.package.manifest import COMPILED
from shared.package.refusal import PackageRefused

if TYPE_CHECKING:
    from shared.package.read import Package

# What `fold` and `export` make, and nothing that reads, branches, loops or calls.
OPERATORS = {
    "": {
        *("Abs", "Add", "Cast", "Clip", "Concat", "Cos", "Div", "Equal", "Exp", "Gather", "Greater", "GreaterOrEqual"),
        *("IsNaN", "Log", "MatMul", "Max", "Mul", "Neg", "Pow", "Relu", "Sigmoid", "Softmax", "Sqrt", "Sub", "Tanh"),
        "Where",
    },
    ML: {"TreeEnsemble"},
}
PLAIN = {AttributeProto.INT, AttributeProto.INTS, AttributeProto.FLOAT, AttributeProto.TENSOR}
TYPES = {TensorProto.DOUBLE, TensorProto.INT64, TensorProto.UINT8, TensorProto.BOOL}
# Packages that this process has proven: their digest names every byte, so once is enough.
_PROVEN: set[str] = set()
MOST_OPERATORS, MOST_COLUMNS, WIDEST, DEEPEST = 5_000, 20_000, 1_024, 1_000


def check_compiled(package: "Package", model: Any) -> None:
    """Raise PackageRefused("compiled", …) unless compiled.onnx is harmless and answers as `model` does.

    Where our own fold gives other bytes, it is looked into, and rows are made from the splits of both: a form that
    leaves splits out is found.
    """
    manifest = package.manifest
    if manifest.digest in _PROVEN:
        return
    content = (package.path / COMPILED).read_bytes()
    ask = (manifest.task, manifest.features, manifest.classes)
    real = package.golden.columns
    try:
        own = _own_fold(model, ask, real)
        if own != content:
            _check_graph(content, [feature.type for feature in manifest.features], manifest.score_columns)
        prove(content, model, *ask, real, also=None if own == content else own)
    except (ValueError, NotEqualError) as error:
        raise PackageRefused("compiled", f"{COMPILED}: {error}"[:2000]) from error
    except Exception as error:  # ONNX Runtime raises whatever it likes about a foreign graph
        raise PackageRefused("compiled", f"{COMPILED} cannot be read: {error!r:.500}") from error
    _PROVEN.add(manifest.digest)


def _own_fold(model: Any, ask: tuple[Any, Any, Any], real: Mapping[str, Any]) -> bytes | None:
    try:
        return fold_or_export(model, *ask, real)[1]
    except UnfoldableError:
        return None


def _check_graph(content: bytes, kinds: list[str], score_columns: int) -> None:
    """Raise ValueError for anything beyond bounded float64 arithmetic and trees that end."""
    model = onnx.load_from_string(content)
    if {one.domain: one.version for one in model.opset_import} != OPSETS or model.functions or model.training_info:
        raise ValueError(f"it needs other operator sets than {OPSETS}, or brings functions")
    graph = model.graph
    if len(graph.node) > MOST_OPERATORS or graph.sparse_initializer or graph.quantization_annotation:
        raise ValueError(f"more than {MOST_OPERATORS} operators, or sparse or quantized tensors")
    plan = read_plan({one.key: one.value for one in model.metadata_props}.get(KEY, "null"), kinds)
    if plan.width > MOST_COLUMNS:
        raise ValueError(f"{plan.width} columns, at most {MOST_COLUMNS} are allowed")
    _check_ends(graph, plan.width, score_columns)
    for tensor in graph.initializer:
        _check_tensor(tensor)
        # Two small tensors broadcast to a huge one: no constant may be wider than what it can meet.
        if len(tensor.dims) > 2 or max(tensor.dims, default=1) > max(plan.width, score_columns, WIDEST):
            raise ValueError(f"the constant {tensor.name[:50]!r} is larger than anything here")
    known = {INPUT: plan.width} | {tensor.name: 0 for tensor in graph.initializer}
    for node in graph.node:
        _check_node(node, known, plan.width)


def _check_ends(graph: onnx.GraphProto, width: int, score_columns: int) -> None:
    for values, name, size in ((graph.input, INPUT, width), (graph.output, OUTPUT, score_columns)):
        if len(values) != 1 or values[0].name != name:
            raise ValueError(f"{name!r} is not its only input or output")
        kind = values[0].type.tensor_type
        if kind.elem_type != TensorProto.DOUBLE or [each.dim_value for each in kind.shape.dim] != [0, size]:
            raise ValueError(f"{name!r} is not float64[rows, {size}]")


def _check_tensor(tensor: onnx.TensorProto) -> None:
    """A tensor that lies in the file itself, whole."""
    if tensor.data_location != TensorProto.DEFAULT or tensor.external_data:
        raise ValueError(f"the tensor {tensor.name[:50]!r} lies outside the file")
    if tensor.data_type not in TYPES:
        raise ValueError(f"the tensor {tensor.name[:50]!r} is of type {tensor.data_type}")
    numpy_helper.to_array(tensor)


def _check_node(node: onnx.NodeProto, known: dict[str, int], width: int) -> None:
    if node.op_type not in OPERATORS.get(node.domain, ()):
        raise ValueError(f"the operator {node.domain}.{node.op_type} is not allowed")
    if len(node.output) != 1 or node.output[0] in known or not set(node.input) <= set(known):
        raise ValueError(f"{node.op_type} takes what is not there yet, or gives what is")
    for attribute in node.attribute:
        if attribute.type not in PLAIN or attribute.ref_attr_name:
            raise ValueError(f"{node.op_type} has an attribute {attribute.name[:50]!r} of a kind that is not allowed")
        if attribute.type == AttributeProto.TENSOR:
            _check_tensor(attribute.t)
    if node.op_type == "TreeEnsemble":
        _check_trees(node, width if node.input[0] == INPUT else 1)
    known[node.output[0]] = 0


def _check_trees(node: onnx.NodeProto, columns: int) -> None:
    """Children come after their parent, so a walk ends; all places are within their lists."""
    parts: dict[str, Any] = {one.name: onnx.helper.get_attribute_value(one) for one in node.attribute}
    tensors = {name: numpy_helper.to_array(parts[name]) for name in ("nodes_splits", "nodes_modes", "leaf_weights")}
    splits, weights = tensors["nodes_splits"], tensors["leaf_weights"]
    if splits.dtype != np.float64 or weights.dtype != np.float64 or tensors["nodes_modes"].any():
        raise ValueError("a tree that does not compare float64 with <=")
    nodes, leaves = len(splits), len(weights)
    lists = {name: np.array(values) for name, values in parts.items() if isinstance(values, list)}
    if any(len(values) != nodes for name, values in lists.items() if name.startswith("nodes_")):
        raise ValueError("a tree whose lists are not equally long")
    if len(tensors["nodes_modes"]) != nodes or len(lists["leaf_targetids"]) != leaves:
        raise ValueError("a tree whose lists are not equally long")
    for name, most in (("tree_roots", nodes), ("nodes_featureids", columns), ("leaf_targetids", parts["n_targets"])):
        if np.any((lists[name] < 0) | (lists[name] >= most)):
            raise ValueError(f"a tree whose {name} lead nowhere")
    _check_branches(lists, nodes, leaves)


def _check_branches(lists: Mapping[str, Any], nodes: int, leaves: int) -> None:
    """Each inner node is led to by one at most, and no tree is deeper than a recursion may go."""
    inner = []
    for side in ("true", "false"):
        children, leafs = lists[f"nodes_{side}nodeids"], lists[f"nodes_{side}leafs"]
        if not np.isin(leafs, (0, 1)).all():
            raise ValueError("a tree whose leaves are not marked by 0 and 1")
        after = (children > np.arange(nodes)) & (children < nodes)
        if not np.where(leafs == 1, (children >= 0) & (children < leaves), after).all():
            raise ValueError("a tree whose branches lead outside it or in a circle")
        inner.append(np.where(leafs == 1, -1, children))
    led_to = np.concatenate(inner)
    if len(np.unique(led_to[led_to >= 0])) != np.count_nonzero(led_to >= 0):
        raise ValueError("two branches lead to the same node")
    at, depth = np.unique(lists["tree_roots"]), 0
    while len(at):
        depth += 1
        if depth > DEEPEST:
            raise ValueError(f"a tree is deeper than {DEEPEST}")
        below = np.concatenate([children[at] for children in inner])
        at = below[below >= 0]
