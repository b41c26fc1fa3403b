"""The files of the spool: which segments exist, how they are made, read and removed, and how far Kafka has them."""

import os
import tempfile
import zlib
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec

from services.serving import entries, frames
from services.serving.entries import Head
from services.serving.ledger import Position

SUFFIX = ".seg"
CHECKPOINT = "checkpoint.json"


class Checkpoint(msgspec.Struct, frozen=True):
    """All before this place is acknowledged by Kafka; `events` counts them since the spool began."""

    segment: int = 0
    offset: int = 0
    events: int = 0


def path_of(directory: Path, segment: int) -> Path:
    """Return the file of a segment."""
    return directory / f"{segment:010d}{SUFFIX}"


def list_segments(directory: Path) -> list[int]:
    """Return the numbers of all segments, oldest first."""
    return sorted(int(file.stem) for file in directory.glob(f"*{SUFFIX}") if file.stem.isdigit())


def create(directory: Path, segment: int, first: Head, *, sync: bool) -> None:
    """Make a segment that begins with `first`; it appears whole or not at all."""
    write_atomically(path_of(directory, segment), frames.frame(entries.encode(first)), sync=sync)


def read(path: Path) -> Iterator[tuple[int, int, Head, bytes]]:
    """Yield (start, end, head, payload) of every readable entry of a segment."""
    for start, end, payload in frames.frames(path.read_bytes()):
        try:
            head, _ = entries.decode_head(payload)
        except (ValueError, msgspec.MsgspecError):
            continue
        yield start, end, head, payload


def read_entry(directory: Path, position: Position) -> tuple[Head, list[tuple[entries.Message, bytes]]] | None:
    """Return the entry at a position with its events, or None when it is gone or damaged."""
    try:
        with path_of(directory, position.segment).open("rb") as file:
            file.seek(position.offset)
            header = file.read(frames.HEADER.size)
            if len(header) < frames.HEADER.size:
                return None
            _, length, _ = frames.HEADER.unpack(header)
            payload = frames.frame_at(header + file.read(min(length, frames.MAX_PAYLOAD)), 0)
        if payload is None:
            return None
        head, start = entries.decode_head(payload)
    except (OSError, ValueError, msgspec.MsgspecError):
        return None
    return head, list(entries.bodies(head, payload, start))


def too_old(directory: Path, checkpoint: Checkpoint, before: float) -> list[int]:
    """Return the segments that Kafka has not taken and whose entries are all older than `before`, oldest first."""
    found = []
    for number, following in pairwise(list_segments(directory)):
        first = read_entry(directory, Position(following, 0))
        if first is not None and first[0].at > before:
            break
        if number >= checkpoint.segment:
            found.append(number)
    return found


def dropped_piece(directory: Path, segment: int, checkpoint: Checkpoint) -> dict[str, Any] | None:
    """Return what is lost with a segment: first and last request id, predictions and events not yet with Kafka."""
    done = checkpoint.offset if checkpoint.segment == segment else 0
    lost = [head for start, _, head, _ in read(path_of(directory, segment)) if head.messages and start >= done]
    if not lost or checkpoint.segment > segment:
        return None
    named = [head.request_id for head in lost if head.request_id] or [""]
    return {
        "first": named[0],
        "last": named[-1],
        "predictions": sum(head.rows for head in lost),
        "events": sum(len(head.messages) for head in lost),
    }


def load_checkpoint(directory: Path) -> Checkpoint:
    """Return how far Kafka has acknowledged; a missing or damaged file means from the start: repeats, never loss."""
    try:
        content = (directory / CHECKPOINT).read_bytes()
        checkpoint, checksum = msgspec.json.decode(content, type=tuple[Checkpoint, int])
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return Checkpoint()
    # One flipped bit makes another number of a digit: what lies before a wrong place would never be sent.
    return checkpoint if checksum == _checksum(checkpoint) else Checkpoint()


def save_checkpoint(directory: Path, checkpoint: Checkpoint) -> None:
    """Remember how far Kafka has acknowledged."""
    write_atomically(directory / CHECKPOINT, msgspec.json.encode((checkpoint, _checksum(checkpoint))))


def _checksum(checkpoint: Checkpoint) -> int:
    return zlib.crc32(msgspec.json.encode(checkpoint))


def write_atomically(path: Path, content: bytes, *, sync: bool = False) -> None:
    """Replace a file as a whole; with `sync` it survives a power cut."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            if sync:
                file.flush()
                os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    if sync:
        sync_directory(path.parent)


def sync_directory(directory: Path) -> None:
    """Make new names in a directory survive a power cut."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
