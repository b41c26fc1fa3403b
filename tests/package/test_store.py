"""The store keeps whole packages under their digests, on any fsspec location."""

from pathlib import Path

import pytest

from shared.package import PackageRefused, PackageStore
from shared.package.manifest import MANIFEST, MODEL


@pytest.fixture(params=["folder", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> PackageStore:
    return PackageStore(str(tmp_path / "store") if request.param == "folder" else f"memory://{tmp_path.name}/store")


def test_what_was_put_can_be_fetched(store: PackageStore, toy_package: tuple[Path, str], tmp_path: Path) -> None:
    path, digest = toy_package
    assert not store.has(digest)
    store.put(path, digest)
    store.put(path, digest)
    assert store.has(digest)
    fetched = store.fetch(digest, tmp_path / "cache")
    assert fetched == tmp_path / "cache" / digest
    assert sorted(p.name for p in fetched.iterdir()) == sorted(p.name for p in path.iterdir())
    assert [p.name for p in (tmp_path / "cache").iterdir()] == [digest]


def test_a_damaged_cache_is_fetched_again(store: PackageStore, toy_package: tuple[Path, str], tmp_path: Path) -> None:
    path, digest = toy_package
    store.put(path, digest)
    (store.fetch(digest, tmp_path / "cache") / MODEL).write_bytes(b"torn")
    assert (store.fetch(digest, tmp_path / "cache") / MODEL).read_bytes() == (path / MODEL).read_bytes()


def test_a_directory_that_is_not_that_package_is_not_stored(store: PackageStore, toy_package: tuple[Path, str]) -> None:
    path, digest = toy_package
    with pytest.raises(PackageRefused):
        store.put(path, "0" * 64)
    (path / MODEL).write_bytes(b"other")
    with pytest.raises(PackageRefused):
        store.put(path, digest)
    assert not store.has(digest)


def test_a_package_the_store_does_not_have_is_missing(store: PackageStore, tmp_path: Path) -> None:
    with pytest.raises(PackageRefused) as caught:
        store.fetch("0" * 64, tmp_path)
    assert caught.value.check == "missing"
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_store_is_found_before_anything_reaches_the_cache(
    toy_package: tuple[Path, str], tmp_path: Path
) -> None:
    path, digest = toy_package
    store = PackageStore(str(tmp_path / "store"))
    store.put(path, digest)
    (tmp_path / "store" / digest / MANIFEST).write_bytes(b"{}")
    with pytest.raises(PackageRefused):
        store.fetch(digest, tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


@pytest.mark.parametrize("digest", ["../../etc", "a/b", "", "A" * 64, "0" * 63, "0" * 64 + "\n", "\0" * 64])
def test_only_digests_name_places(store: PackageStore, tmp_path: Path, digest: str) -> None:
    with pytest.raises(PackageRefused):
        store.has(digest)
    with pytest.raises(PackageRefused):
        store.fetch(digest, tmp_path)
