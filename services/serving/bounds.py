"""What a spool may hold and how it is written, and how it says that it may hold no more."""

from dataclasses import dataclass
from typing import Literal


class SpoolFullError(Exception):
    """The spool may not grow, what it holds is too old, or the disk is full."""


@dataclass(frozen=True)
class JournalOptions:
    """Limits of the spool, in bytes and seconds."""

    segment_bytes: int = 16 * 1024 * 1024
    max_bytes: int = 1024 * 1024 * 1024
    max_age_seconds: float = 7 * 86_400.0
    when_full: Literal["refuse", "drop_oldest"] = "refuse"
    fsync: Literal["never", "always"] = "never"
    lock_seconds: float = 1.0
    indexed_requests: int = 1_000_000
