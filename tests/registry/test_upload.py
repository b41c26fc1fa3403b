"""An uploaded archive is a bounded tar of known plain files, or it is refused."""

import gzip
import io
import os
import tarfile
from pathlib import Path

import pytest

from services.registry.upload import MAX_MEMBERS, UploadRefusedError, unpack

NAMES = ("manifest.json", "model.skops")
LIMIT = 100_000


def member(name: str, size: int = 10, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size, info.type, info.linkname = size, kind, link
    return info


DOT = member(".", 0, tarfile.DIRTYPE)


def tar(*members: tarfile.TarInfo, format: int = tarfile.PAX_FORMAT) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=format) as archive:
        for info in members:
            archive.addfile(info, io.BytesIO(b"x" * info.size) if info.isreg() else None)
    return buffer.getvalue()


def header_only(name: str, size: int) -> bytes:
    return member(name, size).tobuf(tarfile.USTAR_FORMAT)


def huge_pax() -> bytes:
    info = member("pax", 1, tarfile.XHDTYPE)
    info.size = 80_000
    return info.tobuf(tarfile.USTAR_FORMAT) + b"0" * 90_000


def with_float_times() -> bytes:
    info = member("manifest.json")
    info.mtime = 1.5
    return tar(info)


def run(tmp_path: Path, content: bytes) -> set[str]:
    archive, into = tmp_path / "archive", tmp_path / "into"
    into.mkdir(exist_ok=True)
    archive.write_bytes(content)
    unpack(archive, into, NAMES, LIMIT)
    return {entry.name for entry in os.scandir(into)}


@pytest.mark.parametrize("pack", [lambda raw: raw, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize(
    "content",
    [
        tar(member("manifest.json"), member("model.skops", 3000)),
        tar(member("./manifest.json"), member("model.skops", 0)),
        tar(
            member(".", 0, tarfile.DIRTYPE),
            member("./manifest.json"),
            member("./model.skops"),
            format=tarfile.GNU_FORMAT,
        ),
        tar(member("model.skops", 512), member("manifest.json", 513)),
    ],
)
def test_a_plain_package_is_unpacked(tmp_path: Path, content: bytes, pack: object) -> None:
    assert callable(pack)
    assert run(tmp_path, pack(content)) == set(NAMES)
    assert all((tmp_path / "into" / name).read_bytes().strip(b"x") == b"" for name in NAMES)


def test_extended_headers_of_ordinary_tools_are_skipped(tmp_path: Path) -> None:
    assert run(tmp_path, with_float_times()) == {"manifest.json"}


TRICKS = {
    "traversal": (tar(member("../manifest.json")), "name"),
    "deep traversal": (tar(member("a/../../manifest.json")), "name"),
    "absolute": (tar(member("/etc/passwd")), "name"),
    "absolute known name": (tar(member("/manifest.json")), "name"),
    "windows path": (tar(member("..\\manifest.json")), "name"),
    "folder": (tar(member("folder/manifest.json")), "name"),
    "unknown file": (tar(member("manifest.json"), member("evil.pkl")), "name"),
    "twice": (tar(member("manifest.json"), member("./manifest.json")), "name"),
    "symbolic link": (tar(member("manifest.json", 0, tarfile.SYMTYPE, "/etc/passwd")), "kind"),
    "hard link": (tar(member("manifest.json", 0, tarfile.LNKTYPE, "/etc/passwd")), "kind"),
    "fifo": (tar(member("manifest.json", 0, tarfile.FIFOTYPE)), "kind"),
    "device": (tar(member("manifest.json", 0, tarfile.CHRTYPE)), "kind"),
    "directory named like a file": (tar(member("manifest.json", 0, tarfile.DIRTYPE)), "kind"),
    "sparse": (member("model.skops", 10, tarfile.GNUTYPE_SPARSE).tobuf(tarfile.GNU_FORMAT) + b"\0" * 2048, "kind"),
    "long name": (tar(member("x" * 300), format=tarfile.GNU_FORMAT), "kind"),
    "too large": (tar(member("model.skops", LIMIT)), "size"),
    "announces more than there is": (header_only("model.skops", 90_000), "archive"),
    "announces a terabyte": (header_only("model.skops", 8 * 1024**3 - 1), "size"),
    "bomb": (gzip.compress(tar(member("model.skops", 50 * LIMIT))), "size"),
    "bomb of headers": (gzip.compress(tar(*[DOT] * (MAX_MEMBERS + 1))), "members"),
    "huge extended header": (huge_pax(), "header"),
    "empty": (b"", "archive"),
    "only zeros": (b"\0" * 10_240, "archive"),
    "not a tar": (b"PK\x03\x04" + b"z" * 2000, "archive"),
    "short": (b"tar", "archive"),
    "cut gzip": (gzip.compress(tar(member("manifest.json")))[:40], "archive"),
    "broken gzip": (b"\x1f\x8b" + b"nonsense" * 20, "archive"),
    "name with NUL": (header_only("manifest.json", 10).replace(b"manifest.json\0", b"mani\0fest.json"), "name"),
}


@pytest.mark.parametrize("trick", TRICKS)
def test_a_trick_is_refused_and_leaves_nothing_outside(tmp_path: Path, trick: str) -> None:
    content, check = TRICKS[trick]
    before = set(tmp_path.rglob("*"))
    with pytest.raises(UploadRefusedError) as refused:
        run(tmp_path, content)
    assert refused.value.check == check
    new = {path.relative_to(tmp_path).parts[0] for path in tmp_path.rglob("*") if path not in before}
    assert new <= {"archive", "into"}
    assert not any(path.is_symlink() for path in tmp_path.rglob("*"))
