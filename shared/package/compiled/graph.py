"""Builds an ONNX graph in float64, node by node."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

ML = "ai.onnx.ml"
OPSETS = {"": 20, ML: 5}
IR_VERSION = 10
INPUT, OUTPUT = "columns", "scores"


class Graph:
    """Nodes in the order in which they are added; names are counted, so equal models give equal bytes."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []

    def add(self, operator: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """Add a node with one output and return its name."""
        name = f"v{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, list(inputs), [name], domain=domain, **attributes))
        return name

    def constant(self, value: Any, kind: type = np.float64) -> str:
        """Add a constant and return its name."""
        name = f"c{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.asarray(value, dtype=kind), name))
        return name

    def to_bytes(self, result: str, width: int, score_columns: int, metadata: Mapping[str, str]) -> bytes:
        """Return the model whose output is `result`, float64[rows, score_columns]; it comes from the last node."""
        if self._nodes[-1].output[0] != result:
            raise ValueError(f"{result} is not what the last node gives")
        self._nodes[-1].output[0] = OUTPUT
        graph = helper.make_graph(
            self._nodes,
            "compiled",
            [helper.make_tensor_value_info(INPUT, TensorProto.DOUBLE, ["rows", width])],
            [helper.make_tensor_value_info(OUTPUT, TensorProto.DOUBLE, ["rows", score_columns])],
            self._constants,
        )
        opsets = [helper.make_opsetid(domain, version) for domain, version in OPSETS.items()]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="headrace")
        helper.set_model_props(model, dict(metadata))
        content: bytes = model.SerializeToString(deterministic=True)
        return content
