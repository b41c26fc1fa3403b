"""What the harness tears is really torn, and its packages are whole packages until then."""

import os
import random
import tarfile
from io import BytesIO
from pathlib import Path

import pytest

from tests.chaos.disk import LimitedFiles
from tests.chaos.torn import archive, tear, torn_archive


@pytest.mark.parametrize("seed", range(6))
def test_a_torn_file_is_another_file(tmp_path: Path, seed: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    assert tear(path, random.Random(seed)) in ("cut", "bit flipped")
    assert path.read_bytes() != b"0123456789"


@pytest.mark.parametrize("seed", range(6))
def test_a_torn_upload_does_not_hold_what_was_packed(seed: int) -> None:
    files = {name: name.encode() * 3000 for name in ("a", "b", "c")}
    assert unpacked(archive(files)) == files
    assert unpacked(torn_archive(files, random.Random(seed))) != files


def unpacked(body: bytes) -> dict[str, bytes] | None:
    """The files of a tar; None when it ends too early."""
    try:
        with tarfile.open(fileobj=BytesIO(body)) as tar:
            return {m.name: (tar.extractfile(m) or BytesIO()).read() for m in tar.getmembers()}
    except tarfile.ReadError:
        return None


def test_a_limited_file_cannot_grow_until_it_is_freed(tmp_path: Path) -> None:
    disk = LimitedFiles(lambda: [os.getpid()])
    path = tmp_path / "file"
    disk.fill()
    try:
        with pytest.raises(OSError, match="File too large"):
            path.write_bytes(b"two")
    finally:
        disk.free()
    path.write_bytes(b"two")
