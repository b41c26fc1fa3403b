"""Tears files: cuts them short, flips one bit, or leaves half a write behind."""

import io
import json
import random
import tarfile
from pathlib import Path
from typing import Any

from shared.package.manifest import MANIFEST, Manifest


def tear(path: Path, chance: random.Random) -> str:
    """Cut a file at a random place, or flip a random bit in it; says which."""
    content = bytearray(path.read_bytes())
    if not content:
        return "was empty"
    if chance.random() < 0.5:
        path.write_bytes(content[: chance.randrange(len(content))])
        return "cut"
    content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    path.write_bytes(content)
    return "bit flipped"


def leave_half_a_write(path: Path, chance: random.Random) -> str:
    """What a process leaves that dies inside `write`: the begin of a frame behind the last whole one."""
    whole = path.read_bytes()
    with path.open("ab") as file:
        file.write(whole[: chance.randrange(1, min(len(whole), 200))])
    return "half a write"


def serving_files(home: Path) -> list[Path]:
    """What serving can do without: checkpoint, release snapshot, verified packages (Kafka and the store have them)."""
    serving = home / "serving"
    return [
        *(serving / "spool").glob("checkpoint.json"),
        *(serving / "releases").glob("*.json"),
        *(path for path in (serving / "packages").glob("*/*") if path.is_file()),
    ]


def newest_segment(home: Path) -> Path:
    """The segment that is written to."""
    return max((home / "serving" / "spool").glob("*.seg"))


def package_variant(stored: Path, name: str) -> tuple[str, dict[str, bytes]]:
    """Another package with the same model: its digest, and its files; only the lineage says another name."""
    document: dict[str, Any] = json.loads((stored / MANIFEST).read_bytes())
    document["lineage"] = {**document["lineage"], "chaos": name}
    manifest = Manifest.model_validate(document)
    files = {file: (stored / file).read_bytes() for file in sorted(manifest.files)}
    return manifest.digest, {**files, MANIFEST: manifest.to_bytes()}


def archive(files: dict[str, bytes]) -> bytes:
    """A tar as a client would upload it."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def torn_archive(files: dict[str, bytes], chance: random.Random) -> bytes:
    """A tar that ends too early, or in which one bit of one file is another."""
    if chance.random() < 0.5:
        whole = archive(files)
        return whole[: chance.randrange(512, len(whole) // 2)]
    name = chance.choice(sorted(files))
    content = bytearray(files[name])
    content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    return archive({**files, name: bytes(content)})
