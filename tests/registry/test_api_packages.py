"""Any program may bring a package; what is not whole, not known or not honest is refused and leaves nothing."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from shared.package import Manifest
from tests.registry.conftest import Registry
from tests.registry.toy import Toy, make_toy, tar_of

DIGEST = "d" * 64


def left_behind(registry: Registry) -> list[str]:
    home = registry.folder.parent / "home"
    stored = os.listdir(home / "packages") if (home / "packages").exists() else []
    return stored + os.listdir(home / "registry" / "uploads")


def brought(registry: Registry, **changed: Any) -> Toy:
    return make_toy(registry.folder, **changed)


@pytest.mark.parametrize(("mode", "prefix"), [("w", ""), ("w:gz", "./")])
async def test_a_whole_package_is_stored_once(registry: Registry, mode: str, prefix: str) -> None:
    toy = brought(registry)
    body = tar_of(toy.path, mode, prefix)
    answer = await registry.http.put(f"/v1/packages/{toy.digest}", content=body)
    assert answer.status_code == 201, answer.text
    assert answer.json()["behaviour_digest"] == toy.manifest.behaviour_digest
    assert registry.store.has(toy.digest)
    again = await registry.http.put(f"/v1/packages/{toy.digest}", content=body)
    assert again.status_code == 200
    assert left_behind(registry) == [toy.digest]
    shown = (await registry.http.get(f"/v1/packages/{toy.digest}")).json()
    assert (shown["status"], shown["verified"]) == ("uploaded", True)
    assert Manifest.model_validate_json(json.dumps(shown["manifest"])) == toy.manifest


async def test_an_uploaded_package_is_released_after_its_event(registry: Registry) -> None:
    await registry.apply()
    toy = brought(registry)
    await registry.http.put(f"/v1/packages/{toy.digest}", content=tar_of(toy.path))
    await registry.hear(toy.trained())
    assert [event.package_digest for event in await registry.said("model_released")] == [toy.digest]


async def test_another_digest_is_a_conflict(registry: Registry) -> None:
    toy = brought(registry)
    answer = await registry.http.put(f"/v1/packages/{DIGEST}", content=tar_of(toy.path))
    assert (answer.status_code, answer.json()["found"]) == (409, toy.digest)
    assert left_behind(registry) == []


def replace_file(name: str, content: bytes) -> Any:
    return lambda path: (path / name).write_bytes(content)


DAMAGE = {
    "pickle as model": (replace_file("model.skops", b"\x80\x04cos\nsystem\n."), "digest"),
    "torn reference": (replace_file("reference.parquet", b"PAR1"), "digest"),
    "missing golden": (lambda path: (path / "golden.json").unlink(), "files"),
    "extra file": (replace_file("run.sh", b"#!/bin/sh"), "name"),
    "link": (lambda path: ((path / "golden.json").unlink(), (path / "golden.json").symlink_to("/etc/passwd")), "kind"),
}


@pytest.mark.parametrize("damage", DAMAGE)
async def test_a_damaged_package_is_refused_with_the_check_that_failed(registry: Registry, damage: str) -> None:
    toy = brought(registry)
    spoil, check = DAMAGE[damage]
    spoil(toy.path)
    answer = await registry.http.put(f"/v1/packages/{toy.digest}", content=tar_of(toy.path))
    assert (answer.status_code, answer.json()["check"]) == (422, check), answer.text
    assert left_behind(registry) == []
    assert (await registry.http.get(f"/v1/packages/{toy.digest}")).status_code == 404


async def test_a_model_that_answers_otherwise_than_its_golden_records_is_refused(registry: Registry) -> None:
    toy, other = brought(registry), brought(registry, seed=1)
    manifest = toy.manifest.model_dump(mode="json")
    model = (other.path / "model.skops").read_bytes()
    manifest["files"]["model.skops"] = other.manifest.files["model.skops"].model_dump(mode="json")
    forged = Manifest.model_validate_json(json.dumps(manifest))
    (toy.path / "model.skops").write_bytes(model)
    (toy.path / "manifest.json").write_bytes(forged.to_bytes())
    answer = await registry.http.put(f"/v1/packages/{forged.digest}", content=tar_of(toy.path))
    assert (answer.status_code, answer.json()["check"]) == (422, "golden")


async def test_what_is_larger_than_the_limit_is_cut_off(tmp_path: Path, registry: Registry) -> None:
    registry.app.state.registry = type(registry.parts)(**(vars(registry.parts) | {"upload_bytes": 5_000}))
    toy = brought(registry)
    body = tar_of(toy.path)
    assert len(body) > 5_000

    async def pieces() -> Any:
        yield body[:4_000]
        yield body[4_000:]

    for content in (body, pieces()):
        answer = await registry.http.put(f"/v1/packages/{toy.digest}", content=content)
        assert (answer.status_code, answer.json()["limit"]) == (413, 5_000)
    assert left_behind(registry) == []


@pytest.mark.parametrize(
    "digest", ["x", "D" * 64, "d" * 63, "d" * 65, "..%2f..%2fetc", "d" * 60 + "%00aaa", "d" * 64 + "%0a", "%2e%2e"]
)
async def test_only_a_digest_is_a_name(registry: Registry, digest: str) -> None:
    for method in ("PUT", "GET"):
        answer = await registry.http.request(method, f"/v1/packages/{digest}", content=b"")
        assert answer.status_code in (404, 405, 422), answer.text
        assert answer.headers["content-type"] == "application/problem+json"
    assert left_behind(registry) == []


@pytest.mark.parametrize("body", [b"", b"not a tar", b"\x1f\x8bnot gzip", b"\0" * 1024])
async def test_a_body_that_is_no_archive_is_refused(registry: Registry, body: bytes) -> None:
    answer = await registry.http.put(f"/v1/packages/{DIGEST}", content=body)
    assert (answer.status_code, answer.json()["check"]) == (422, "archive")
    assert left_behind(registry) == []


@pytest.mark.parametrize("use_case", [None, "", "Trains", "a'; DROP TABLE registry_packages;--"])
async def test_a_list_of_packages_wants_a_use_case(registry: Registry, use_case: str | None) -> None:
    params = {} if use_case is None else {"use_case": use_case}
    assert (await registry.http.get("/v1/packages", params=params)).status_code == 422
