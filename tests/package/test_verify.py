"""A package proves itself, and every way of tampering with it is refused by name."""

import copy
import functools
import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skops.io
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from shared.package import Content, PackageRefused, read_package, verify_files, verify_package, write_package
from shared.package.canonical import canonical_json, sha256_hex
from shared.package.manifest import ENVIRONMENT, GOLDEN, MANIFEST, MODEL, PROFILE
from shared.package.write import file_entry

WANTED = [("size", "number"), ("colour", "category")]


def rewrite(path: Path, **changed: Any) -> str:
    """An attacker who can compute digests: name the files as they are now."""
    body = json.loads((path / MANIFEST).read_bytes())
    body["files"] = {name: file_entry(path / name).model_dump() for name in body["files"]}
    content = canonical_json(body | changed)
    (path / MANIFEST).write_bytes(content)
    return sha256_hex(content)


def refused(path: Path, digest: str, **options: Any) -> PackageRefused:
    with pytest.raises(PackageRefused) as caught:
        verify_package(path, digest, **options)
    return caught.value


def test_a_package_that_was_written_can_be_proven(toy_package: tuple[Path, str]) -> None:
    path, digest = toy_package
    proof = verify_package(path, digest, WANTED)
    assert proof.digest == digest
    assert proof.max_difference == 0
    assert proof.golden_records <= 200
    assert proof.behaviour_digest == read_package(path).manifest.behaviour_digest


def test_two_fits_with_the_same_seed_behave_alike_whatever_bytes_skops_writes(
    tmp_path: Path, content_of: Callable[..., Content], another_fit: Callable[[], Pipeline]
) -> None:
    first, second = another_fit(), another_fit()
    write_package(tmp_path / "a", first, content_of(first))
    write_package(tmp_path / "b", second, content_of(second))
    one, two = read_package(tmp_path / "a").manifest, read_package(tmp_path / "b").manifest
    assert one.behaviour_digest == two.behaviour_digest
    same = {name for name in one.files if one.files[name] == two.files[name]}
    assert same >= set(one.files) - {MODEL}


@pytest.mark.parametrize("name", sorted([MODEL, PROFILE, GOLDEN, ENVIRONMENT, "reference.parquet"]))
def test_one_changed_byte_is_found(toy_package: tuple[Path, str], name: str) -> None:
    path, digest = toy_package
    content = bytearray((path / name).read_bytes())
    content[len(content) // 2] ^= 1
    (path / name).write_bytes(bytes(content))
    error = refused(path, digest)
    assert error.check == "digest"
    assert name in error.detail


def test_a_changed_manifest_has_another_digest(toy_package: tuple[Path, str]) -> None:
    path, digest = toy_package
    rewrite(path, use_case="other")
    assert refused(path, digest).check == "digest"


def test_an_extra_or_missing_file_is_refused(toy_package: tuple[Path, str]) -> None:
    path, digest = toy_package
    (path / "more.txt").write_text("x")
    assert "more.txt" in refused(path, digest).detail
    (path / "more.txt").unlink()
    (path / GOLDEN).unlink()
    assert GOLDEN in refused(path, digest).detail


def test_links_folders_and_pipes_are_refused(toy_package: tuple[Path, str], tmp_path: Path) -> None:
    path, digest = toy_package
    (path / GOLDEN).rename(tmp_path / "elsewhere")
    (path / GOLDEN).symlink_to(tmp_path / "elsewhere")
    assert refused(path, digest).check == "files"
    (path / GOLDEN).unlink()
    os.mkfifo(path / GOLDEN)
    assert refused(path, digest).check == "files"
    (path / GOLDEN).unlink()
    (path / GOLDEN).mkdir()
    assert refused(path, digest).check == "files"


def test_a_file_above_its_limit_is_refused_before_it_is_read(toy_package: tuple[Path, str]) -> None:
    path, digest = toy_package
    with (path / ENVIRONMENT).open("wb") as stream:
        stream.truncate(2 * 1024 * 1024)
    assert refused(path, digest).check == "size"


def test_a_manifest_may_not_name_files_elsewhere(toy_package: tuple[Path, str]) -> None:
    path, _ = toy_package
    files = json.loads((path / MANIFEST).read_bytes())["files"]
    files["../../etc/passwd"] = files.pop(GOLDEN)
    digest = rewrite(path, files=files)
    assert refused(path, digest).check == "format"


@pytest.mark.parametrize("content", [b"\xff", b"{", b'{"format": NaN}', b"[" * 100_000, b"{}"])
def test_a_broken_manifest_is_refused_and_never_crashes(toy_package: tuple[Path, str], content: bytes) -> None:
    path, _ = toy_package
    (path / MANIFEST).write_bytes(content)
    assert refused(path, sha256_hex(content)).check == "format"


def test_a_user_function_inside_the_model_is_refused(toy_package: tuple[Path, str]) -> None:
    path, _ = toy_package
    skops.io.dump(FunctionTransformer(rewrite), path / MODEL)
    error = refused(path, rewrite(path))
    assert error.check == "allow_list"
    assert "rewrite" in error.detail


def test_a_partial_inside_the_model_is_refused(toy_package: tuple[Path, str]) -> None:
    path, _ = toy_package
    skops.io.dump(FunctionTransformer(functools.partial(np.log1p)), path / MODEL)
    assert "functools.partial" in refused(path, rewrite(path)).detail


def test_a_pickle_in_place_of_the_model_is_refused_unopened(toy_package: tuple[Path, str], tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "owned",))

    path, _ = toy_package
    (path / MODEL).write_bytes(pickle.dumps(Evil()))
    assert refused(path, rewrite(path)).check == "allow_list"
    assert not (tmp_path / "owned").exists()


def test_another_model_with_honest_digests_fails_its_golden_records(
    toy_package: tuple[Path, str], toy_model: Pipeline
) -> None:
    path, _ = toy_package
    shifted = copy.deepcopy(toy_model)
    shifted.named_steps["model"]._baseline_prediction += 1e-6
    skops.io.dump(shifted, path / MODEL)
    error = refused(path, rewrite(path))
    assert error.check == "golden"
    assert verify_files(path, rewrite(path))


def test_changed_golden_scores_do_not_fit_the_behaviour_digest(toy_package: tuple[Path, str]) -> None:
    path, _ = toy_package
    golden = json.loads((path / GOLDEN).read_bytes())
    golden["scores"][0][0] += 1e-3
    (path / GOLDEN).write_bytes(canonical_json(golden))
    assert "behaviour digest" in refused(path, rewrite(path)).detail


def test_another_minor_version_of_scikit_learn_is_refused_by_name(toy_package: tuple[Path, str]) -> None:
    path, _ = toy_package
    environment = json.loads((path / MANIFEST).read_bytes())["environment"] | {"scikit-learn": "0.1.0"}
    (path / ENVIRONMENT).write_text("".join(f"{name}=={environment[name]}\n" for name in sorted(environment)))
    error = refused(path, rewrite(path, environment=environment))
    assert error.check == "environment"
    assert "scikit-learn 0.1.0" in error.detail


def test_a_lock_that_differs_from_the_manifest_is_refused(toy_package: tuple[Path, str]) -> None:
    path, _ = toy_package
    (path / ENVIRONMENT).write_text("numpy==1\n")
    assert refused(path, rewrite(path)).check == "environment"


def test_features_must_be_those_of_the_contract(toy_package: tuple[Path, str]) -> None:
    path, digest = toy_package
    error = refused(path, digest, features=[("size", "category"), ("colour", "category")])
    assert error.check == "features"
    assert "size" in error.detail


def test_a_profile_with_nan_is_not_json(toy_package: tuple[Path, str]) -> None:
    path, _ = toy_package
    (path / PROFILE).write_bytes((path / PROFILE).read_bytes().replace(b'"rows":400', b'"rows":NaN'))
    assert refused(path, rewrite(path)).check == "format"
