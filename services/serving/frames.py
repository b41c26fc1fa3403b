"""PURE: the framing of a spool segment: magic, length, checksum, payload; reading survives torn and damaged bytes."""

import struct
import zlib
from collections.abc import Iterator

# A frame cannot be forged inside a payload: its length holds control bytes, which JSON only knows escaped.
MAGIC = b"HRJ1"
HEADER = struct.Struct("<4sII")
MAX_PAYLOAD = 32 * 1024 * 1024


def frame(payload: bytes) -> bytes:
    """Return the bytes of one frame.

    >>> [payload for _, _, payload in frames(frame(b"a") + frame(b"b"))]
    [b'a', b'b']
    """
    return HEADER.pack(MAGIC, len(payload), zlib.crc32(payload)) + payload


def frame_at(data: bytes, offset: int) -> bytes | None:
    """Return the payload of the frame that starts at `offset`; None when it is not whole or its checksum is wrong."""
    start = offset + HEADER.size
    if start > len(data):
        return None
    magic, length, checksum = HEADER.unpack_from(data, offset)
    if magic != MAGIC or length > MAX_PAYLOAD or start + length > len(data):
        return None
    payload = data[start : start + length]
    return payload if zlib.crc32(payload) == checksum else None


def next_frame(data: bytes, offset: int) -> int:
    """Return where the next whole frame starts at or after `offset`, or -1."""
    while (offset := data.find(MAGIC, offset)) >= 0:
        if frame_at(data, offset) is not None:
            return offset
        offset += 1
    return -1


def frames(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Yield (start, end, payload) of every whole frame, stepping over damage between whole frames.

    What follows the last whole frame is a torn tail or a write still under way: it is not yielded.
    """
    offset = 0
    while offset >= 0:
        payload = frame_at(data, offset)
        if payload is None:
            offset = next_frame(data, offset + 1)
            continue
        end = offset + HEADER.size + len(payload)
        yield offset, end, payload
        offset = end
