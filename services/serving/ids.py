"""The ids that serving makes: UUIDv7 for requests, so that they sort by time, and the derived id of each event."""

import hashlib
import os

from shared.events import PredictionServed
from shared.events.base import NAMESPACE
from shared.spine.clock import wall_seconds

_SERVED = NAMESPACE.bytes + PredictionServed.topic.encode()
# The digit that holds the variant keeps two of its four bits.
_VARIANT = dict(zip("0123456789abcdef", "89ab" * 4, strict=True))

# Random digits not yet used, each for one id: the system is asked for many at once. A child must not use its parent's.
_RANDOM_BYTES, _AT_ONCE = 10, 256
_random: list[str] = []
os.register_at_fork(after_in_child=_random.clear)


def new_request_id() -> str:
    """Return a new id; 48 bits of milliseconds first.

    >>> import uuid
    >>> uuid.UUID(new_request_id()).version
    7
    """
    return _uuid(f"{int(wall_seconds() * 1000):012x}{_random_digits()}", 7)


def _random_digits() -> str:
    """Random bytes in hexadecimal, never given before."""
    try:
        return _random.pop()
    except IndexError:
        fresh, width = os.urandom(_RANDOM_BYTES * _AT_ONCE).hex(), 2 * _RANDOM_BYTES
        _random.extend(fresh[start : start + width] for start in range(width, len(fresh), width))
        return fresh[:width]


def served_id(use_case: str, request_id: str, status: str, first_position: int) -> str:
    """The id of a `prediction_served` event: what `shared.events.derived_id` says, without its detours."""
    said = f"\n{use_case}\n{request_id}\n{status}\n{first_position}".encode()
    return _uuid(hashlib.sha1(_SERVED + said, usedforsecurity=False).hexdigest(), 5)


def _uuid(digits: str, version: int) -> str:
    """The first 32 hexadecimal digits as a UUID; version and variant take their places in them."""
    variant = _VARIANT[digits[16]]
    return f"{digits[:8]}-{digits[8:12]}-{version}{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:32]}"
