"""Attacks by a package: its digests are honest, its content is not."""

import functools
import gzip
import io
import json
import shutil
import struct
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

from shared.package.canonical import canonical_json, sha256_hex
from shared.package.manifest import ENVIRONMENT, GOLDEN, MANIFEST, MODEL, PROFILE, REFERENCE
from shared.package.write import file_entry
from tests.registry.toy import tar_of
from tests.security.attack import PICKLE, TAR, Attack, Ground

ROWS = b'"rows_trained":200'
Spoil = Callable[[Path], object]


def _upload(body: Callable[[Ground], tuple[str, bytes]]) -> Attack:
    return Attack("registry", "PUT", "/v1/packages/{digest}", body, TAR)


def _forged(spoil: Spoil, **manifest: object) -> Attack:
    """The files as they are after `spoil`, under a manifest that names them truthfully."""

    def body(ground: Ground) -> tuple[str, bytes]:
        with tempfile.TemporaryDirectory(dir=ground.home.parent) as folder:
            path = Path(folder) / "package"
            shutil.copytree(ground.other.path, path)
            spoil(path)
            said = json.loads((path / MANIFEST).read_bytes())
            said["files"] = {name: file_entry(path / name).model_dump() for name in said["files"]}
            content = canonical_json(said | manifest)
            (path / MANIFEST).write_bytes(content)
            return sha256_hex(content), tar_of(path)

    return _upload(body)


def _with(name: str, content: bytes) -> Attack:
    return _forged(lambda path: (path / name).write_bytes(content))


def _manifest(content: Callable[[bytes], bytes]) -> Attack:
    """A manifest that is spelled by hand."""

    def body(ground: Ground) -> tuple[str, bytes]:
        with tempfile.TemporaryDirectory(dir=ground.home.parent) as folder:
            path = Path(folder) / "package"
            shutil.copytree(ground.other.path, path)
            spelled = content((path / MANIFEST).read_bytes())
            (path / MANIFEST).write_bytes(spelled)
            return sha256_hex(spelled), tar_of(path)

    return _upload(body)


def _archive(content: bytes) -> Attack:
    return _upload(lambda _ground: ("d" * 64, content))


def _tar(name: str, content: bytes = b"x", kind: bytes = tarfile.REGTYPE, link: str = "") -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.type, info.linkname = len(content), kind, link
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def _zip(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "."), content)
    return buffer.getvalue()


@functools.cache
def _zip_of_terabytes() -> bytes:
    """A zip whose directory announces 4 GiB for each of its members."""
    content = bytearray(_zip(**{f"m{number}__npy": b"\0" * 1000 for number in range(300)}, schema__json=b"{}"))
    place = content.find(b"PK\x01\x02")
    while place >= 0:
        content[place + 24 : place + 28] = struct.pack("<I", 0xFFFFFFF0)
        place = content.find(b"PK\x01\x02", place + 4)
    return bytes(content)


def _schema(**said: object) -> bytes:
    """A skops file that names a type; `__loader__` says how it would be made."""
    return _zip(schema__json=json.dumps({"__id__": 1, "protocol": 2, "_skops_version": "0.13"} | said).encode())


_SYSTEM = {
    "__class__": "system", "__module__": "os", "__loader__": "FunctionNode",
    "content": "os.system",
}  # fmt: skip
_REDUCED = {
    "__class__": "partial", "__module__": "functools", "__loader__": "PartialNode",
    "content": {"func": _SYSTEM, "args": [], "kwds": {}, "namespace": {}},
}  # fmt: skip

UPLOAD_ATTACKS = {
    "archive: traversal": _archive(_tar("../../owned")),
    "archive: absolute path": _archive(_tar("/tmp/headrace-was-here")),
    "archive: link to a secret": _archive(_tar("golden.json", b"", tarfile.SYMTYPE, "/etc/passwd")),
    "archive: hard link": _archive(_tar("golden.json", b"", tarfile.LNKTYPE, "/etc/passwd")),
    "archive: device": _archive(_tar("golden.json", b"", tarfile.CHRTYPE)),
    "archive: a script": _archive(_tar("run.sh", b"#!/bin/sh")),
    "archive: gzip bomb": _archive(gzip.compress(_tar(MODEL, b"\0" * 30_000_000))),
    "archive: a zip": _archive(_zip(model__skops=b"x")),
    "archive: a pickle": _archive(PICKLE),
    "archive: gzip of gzip": _archive(gzip.compress(gzip.compress(b"\0" * 10_000_000))),
    "model: a pickle": _with(MODEL, PICKLE),
    "model: a pickle in a zip": _with(MODEL, _zip(schema__json=PICKLE)),
    "model: os.system": _with(MODEL, _schema(**_SYSTEM)),
    "model: a partial of os.system": _with(MODEL, _schema(**_REDUCED)),
    "model: deep": _with(MODEL, _zip(schema__json=b"[" * 100_000 + b"]" * 100_000)),
    "model: zip of a terabyte": _forged(lambda path: (path / MODEL).write_bytes(_zip_of_terabytes())),
    "golden: a pickle": _with(GOLDEN, PICKLE),
    "golden: a key twice": _with(GOLDEN, b'{"columns": {}, "columns": {}, "scores": []}'),
    "profile: a pickle": _with(PROFILE, PICKLE),
    "profile: deep": _with(PROFILE, b"[" * 100_000 + b"]" * 100_000),
    "reference: a pickle": _with(REFERENCE, PICKLE),
    "environment: a pickle": _with(ENVIRONMENT, PICKLE),
    "environment: other versions": _forged(lambda path: None, environment={"numpy": "0.0.1"}),
    "manifest: a pickle": _manifest(lambda _content: PICKLE),
    "manifest: a key twice": _manifest(lambda content: b'{"format":1,' + content[1:]),
    "manifest: name with a path": _forged(lambda path: None, use_case="../../trains\0"),
    "manifest: huge number": _manifest(lambda content: content.replace(ROWS, ROWS[:-3] + b"9" * 5000)),
    "manifest: not a number": _manifest(lambda content: content.replace(ROWS, ROWS[:-3] + b"NaN")),
}  # fmt: skip
