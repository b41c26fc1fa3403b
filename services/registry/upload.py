"""Unpacks an uploaded package: a bounded tar of known plain files, and nothing else."""

import gzip
import tarfile
import zlib
from collections.abc import Collection
from pathlib import Path
from typing import IO

BLOCK = 512
CHUNK = 64 * 1024
MAX_EXTENDED_HEADER = 64 * 1024
MAX_MEMBERS = 64
GZIP_MAGIC = b"\x1f\x8b"


class UploadRefusedError(ValueError):
    """The archive is not a plain tar of a package's files; `check` is the rule it broke."""

    def __init__(self, check: str, detail: str) -> None:
        super().__init__(f"{check}: {detail}")
        self.check = check
        self.detail = detail


def unpack(archive: Path, into: Path, names: Collection[str], limit_bytes: int) -> None:
    """Write the files of a plain or gzip-compressed tar below `into`.

    Only regular files with one of `names` are taken, each once; links, devices, directories and any other path are
    refused. Never more than `limit_bytes` are read, compressed or not.
    """
    with archive.open("rb") as raw:
        compressed = raw.read(2) == GZIP_MAGIC
        raw.seek(0)
        try:
            # Headers are walked by hand: tarfile reads an extended header of any size into memory.
            _Members(gzip.GzipFile(fileobj=raw) if compressed else raw, limit_bytes).write(into, names)
        except (gzip.BadGzipFile, zlib.error, EOFError) as error:
            raise UploadRefusedError("archive", f"not a gzip stream: {error}") from error


class _Members:
    def __init__(self, stream: IO[bytes] | gzip.GzipFile, limit_bytes: int) -> None:
        self._stream = stream
        self._limit = limit_bytes
        self._left = limit_bytes

    def write(self, into: Path, names: Collection[str]) -> None:
        seen: set[str] = set()
        members = 0
        while (member := self._header()) is not None:
            members += 1
            if members > MAX_MEMBERS:
                raise UploadRefusedError("members", f"more than {MAX_MEMBERS} entries")
            if member.type in (tarfile.XHDTYPE, tarfile.XGLTYPE):
                self._skip_extended(member)
            elif member.isdir() and member.name in (".", "./"):
                continue
            else:
                self._file(member, into, names, seen)
        if not seen:
            raise UploadRefusedError("archive", "holds no file")

    def _file(self, member: tarfile.TarInfo, into: Path, names: Collection[str], seen: set[str]) -> None:
        name = member.name.removeprefix("./")
        if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE):
            raise UploadRefusedError("kind", f"{member.name!r} is not a plain file")
        if name not in names:
            raise UploadRefusedError("name", f"{member.name!r} is not one of {', '.join(sorted(names))}")
        if name in seen:
            raise UploadRefusedError("name", f"{name!r} is there twice")
        seen.add(name)
        with (into / name).open("xb") as target:
            self._copy(member.size, target)

    def _header(self) -> tarfile.TarInfo | None:
        block = self._read(BLOCK)
        if not block or block == b"\0" * BLOCK:
            return None
        try:
            member = tarfile.TarInfo.frombuf(block, "utf-8", "strict")
        except (tarfile.HeaderError, UnicodeDecodeError) as error:
            raise UploadRefusedError("archive", f"not a tar archive: {error}") from error
        if not 0 <= member.size <= self._left:
            raise UploadRefusedError("size", f"{member.name!r} goes past the limit of {self._limit} bytes")
        return member

    def _skip_extended(self, member: tarfile.TarInfo) -> None:
        if member.size > MAX_EXTENDED_HEADER:
            raise UploadRefusedError("header", f"an extended header of {member.size} bytes")
        self._copy(member.size, None)

    def _copy(self, size: int, target: IO[bytes] | None) -> None:
        left = size
        while left:
            chunk = self._read(min(left, CHUNK))
            if not chunk:
                raise UploadRefusedError("archive", "ends in the middle of a file")
            left -= len(chunk)
            if target is not None:
                target.write(chunk)
        self._read(-size % BLOCK)

    def _read(self, size: int) -> bytes:
        if size > self._left:
            raise UploadRefusedError("size", f"more than {self._limit} bytes")
        data = self._stream.read(size)
        self._left -= len(data)
        return data
