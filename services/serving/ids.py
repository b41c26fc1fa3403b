"""Request ids that serving makes itself: UUIDv7, so that they sort by time."""

import os
import uuid

from shared.spine.clock import wall_now


def new_request_id() -> str:
    """Return a new id; 48 bits of milliseconds first.

    >>> uuid.UUID(new_request_id()).version
    7
    """
    milliseconds = int(wall_now().timestamp() * 1000)
    noise = int.from_bytes(os.urandom(10), "big")
    value = (milliseconds << 80) | (0x7 << 76) | ((noise >> 68) << 64) | (0b10 << 62) | (noise & ((1 << 62) - 1))
    return str(uuid.UUID(int=value))
