"""A compiled form that others upload is refused unless it is harmless and is the model."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from sklearn.pipeline import Pipeline

from shared.package import PackageRefused, read_package, verify_package, write_package
from shared.package.canonical import sha256_hex
from shared.package.compiled.runtime import load_compiled
from shared.package.manifest import COMPILED, MANIFEST, Manifest
from shared.package.write import file_entry
from tests.package.conftest import make_content

Change = Callable[[onnx.ModelProto], None]


def change(path: Path, how: Change) -> str:
    """An attacker who can compute digests: another graph, named by an honest manifest."""
    model = onnx.load_from_string((path / COMPILED).read_bytes())
    how(model)
    (path / COMPILED).write_bytes(model.SerializeToString())
    manifest = read_package(path).manifest
    files = {**manifest.files, COMPILED: file_entry(path / COMPILED)}
    content = Manifest.model_validate({**dict(manifest), "files": files}).to_bytes()
    (path / MANIFEST).write_bytes(content)
    return sha256_hex(content)


def trees(model: onnx.ModelProto) -> dict[str, Any]:
    node = next(node for node in model.graph.node if node.op_type == "TreeEnsemble")
    return {one.name: one for one in node.attribute}


def move_a_split(model: onnx.ModelProto) -> None:
    split = trees(model)["nodes_splits"].t
    values = numpy_helper.to_array(split).copy()
    # One split of a number, to the middle between it and the next: hardly any record lies there.
    place = np.flatnonzero(np.array(trees(model)["nodes_featureids"].ints) == 0)[-1]
    values[place] += 1e-3
    split.CopyFrom(numpy_helper.from_array(values, "nodes_splits"))


def take_a_split_away(model: onnx.ModelProto) -> None:
    split = trees(model)["nodes_splits"].t
    values = numpy_helper.to_array(split).copy()
    place = np.flatnonzero(np.array(trees(model)["nodes_featureids"].ints) == 0)[-1]
    values[place] = np.inf
    split.CopyFrom(numpy_helper.from_array(values, "nodes_splits"))


def go_in_a_circle(model: onnx.ModelProto) -> None:
    leafs, nodes = trees(model)["nodes_trueleafs"].ints, trees(model)["nodes_truenodeids"].ints
    leafs[0], nodes[0] = 0, 0


def leave_the_tree(model: onnx.ModelProto) -> None:
    trees(model)["nodes_truenodeids"].ints[0] = 1_000_000


def ask_for_no_column(model: onnx.ModelProto) -> None:
    trees(model)["nodes_featureids"].ints[0] = 99


def read_another_file(model: onnx.ModelProto) -> None:
    tensor = model.graph.initializer.add(name="w", data_type=onnx.TensorProto.DOUBLE, dims=[1])
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")


def bring_a_foreign_operator(model: onnx.ModelProto) -> None:
    model.graph.node[-1].op_type, model.graph.node[-1].domain = "Inverse", "com.microsoft"


def bring_a_loop(model: onnx.ModelProto) -> None:
    model.graph.node[-1].op_type = "Loop"


def bring_a_function(model: onnx.ModelProto) -> None:
    model.functions.add(name="f", domain="")


def grow(model: onnx.ModelProto) -> None:
    model.graph.initializer.append(numpy_helper.from_array(np.zeros(100_000), "wide"))


def lose_the_plan(model: onnx.ModelProto) -> None:
    del model.metadata_props[:]


def spoil_the_plan(model: onnx.ModelProto) -> None:
    model.metadata_props[0].value = model.metadata_props[0].value.replace('"feature":0', '"feature":7')


@pytest.mark.parametrize(
    ("how", "said"),
    [
        (move_a_split, "scores differ"),
        (take_a_split_away, "scores differ"),
        (go_in_a_circle, "circle"),
        (leave_the_tree, "outside it"),
        (ask_for_no_column, "featureids"),
        (read_another_file, "outside the file"),
        (bring_a_foreign_operator, "not allowed"),
        (bring_a_loop, "not allowed"),
        (bring_a_function, "functions"),
        (grow, "larger"),
        (lose_the_plan, "plan"),
        (spoil_the_plan, "plan"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_changed_graph_is_refused(toy_package: tuple[Path, str], how: Change, said: str) -> None:
    path, _ = toy_package
    digest = change(path, how)
    with pytest.raises(PackageRefused, match=said) as caught:
        verify_package(path, digest)
    assert caught.value.check == "compiled"


def test_the_compiled_form_of_another_model_is_refused(
    tmp_path: Path, toy_package: tuple[Path, str], another_fit: Callable[[int], Pipeline]
) -> None:
    path, _ = toy_package
    other = another_fit(1)
    other.named_steps["model"]._baseline_prediction += 1e-6
    write_package(tmp_path / "other", other, make_content(other))
    digest = change(path, lambda model: model.CopyFrom(onnx.load(tmp_path / "other" / COMPILED)))
    with pytest.raises(PackageRefused, match="differ"):
        verify_package(path, digest)


def test_bytes_that_are_no_graph_are_refused(toy_package: tuple[Path, str]) -> None:
    path, _ = toy_package
    manifest = read_package(path).manifest
    (path / COMPILED).write_bytes(b"\x08\xff" * 100)
    files = {**manifest.files, COMPILED: file_entry(path / COMPILED)}
    content = Manifest.model_validate({**dict(manifest), "files": files}).to_bytes()
    (path / MANIFEST).write_bytes(content)
    with pytest.raises(PackageRefused) as caught:
        verify_package(path, sha256_hex(content))
    assert caught.value.check == "compiled"


def test_an_equal_graph_in_other_bytes_is_taken(toy_package: tuple[Path, str]) -> None:
    path, _ = toy_package
    digest = change(path, lambda model: setattr(model, "producer_name", "somebody else"))
    assert verify_package(path, digest).digest == digest
    package = read_package(path)
    assert package.manifest.compiled is not None
    assert package.manifest.compiled.rows >= 10_000
    scores = load_compiled(path, package.manifest).score(package.golden.columns)
    assert np.abs(np.array(scores) - np.array(package.golden.scores)).max() < 1e-15


def test_a_compiled_file_that_the_manifest_does_not_name_is_refused(toy_package: tuple[Path, str]) -> None:
    path, _ = toy_package
    manifest = read_package(path).manifest
    files = {name: entry for name, entry in manifest.files.items() if name != COMPILED}
    plain = Manifest.model_validate({**dict(manifest), "compiled": None, "files": files})
    (path / MANIFEST).write_bytes(plain.to_bytes())
    with pytest.raises(PackageRefused, match="not expected"):
        verify_package(path, plain.digest)
    (path / COMPILED).unlink()
    assert verify_package(path, plain.digest).digest == plain.digest
    assert b"compiled" not in plain.to_bytes()
