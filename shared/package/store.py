"""The package store: any fsspec location; a package's place is derived from its digest and from nothing else."""

import re
import shutil
import uuid
from pathlib import Path

import fsspec
from fsspec.implementations.local import LocalFileSystem

from shared.package.manifest import MANIFEST, SIZE_LIMITS
from shared.package.refusal import PackageRefused
from shared.package.verify import read_named, verify_files

DIGEST = re.compile(r"[0-9a-f]{64}")


def check_digest(digest: str) -> str:
    """Return `digest` if it is one; anything else, a path above all, is refused before it touches a store."""
    if not DIGEST.fullmatch(digest):
        raise PackageRefused("digest", f"{digest[:80]!r} is not a SHA-256 digest")
    return digest


class PackageStore:
    """Packages below one URL, such as a folder or s3://bucket/packages."""

    def __init__(self, url: str) -> None:
        self._fs, self._root = fsspec.core.url_to_fs(url)

    def has(self, digest: str) -> bool:
        """Say whether the package is complete: its manifest is written last."""
        return bool(self._fs.exists(f"{self._place(digest)}/{MANIFEST}"))

    def put(self, path: Path, digest: str) -> None:
        """Store the directory `path` if it really is that package; a package that is there stays as it is."""
        manifest = verify_files(path, digest)
        if self.has(digest):
            return
        place = self._place(digest)
        if isinstance(self._fs, LocalFileSystem):
            _copy_at_once(path, Path(place))
            return
        for name in [*sorted(manifest.files), MANIFEST]:
            self._fs.put_file(str(path / name), f"{place}/{name}")

    def fetch(self, digest: str, into: Path) -> Path:
        """Return the verified directory `into/<digest>`, downloaded unless a whole one is there already."""
        target = into / check_digest(digest)
        if target.exists():
            try:
                verify_files(target, digest)
            except PackageRefused:
                shutil.rmtree(target)
            else:
                return target
        self._download(digest, target)
        return target

    def _download(self, digest: str, target: Path) -> None:
        if not self.has(digest):
            raise PackageRefused("missing", f"the store has no package {digest}")
        part = target.with_name(f".{digest}.{uuid.uuid4().hex}")
        part.mkdir(parents=True)
        try:
            self._fetch_file(f"{self._place(digest)}/{MANIFEST}", part / MANIFEST)
            for name in sorted(read_named(part, digest).files):
                self._fetch_file(f"{self._place(digest)}/{name}", part / name)
            verify_files(part, digest)
            _settle(part, target)
        finally:
            shutil.rmtree(part, ignore_errors=True)

    def _fetch_file(self, place: str, to: Path) -> None:
        """Copy one file, unless it is larger than any file of its name may be."""
        if not self._fs.exists(place):
            raise PackageRefused("files", f"{to.name} is missing in the store")
        size = int(self._fs.size(place) or 0)
        if size > SIZE_LIMITS[to.name]:
            raise PackageRefused("size", f"{to.name} has {size} bytes, at most {SIZE_LIMITS[to.name]} are allowed")
        self._fs.get_file(place, str(to))

    def _place(self, digest: str) -> str:
        return f"{self._root}/{check_digest(digest)}"


def _copy_at_once(path: Path, place: Path) -> None:
    """Copy beside the final place and rename, so that a reader never meets half a package."""
    part = place.with_name(f".{place.name}.{uuid.uuid4().hex}")
    try:
        shutil.copytree(path, part)
        _settle(part, place)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _settle(part: Path, place: Path) -> None:
    """Rename; when another process was faster, its package has the same digest and stays."""
    try:
        part.rename(place)
    except OSError:
        if not place.exists():
            raise
