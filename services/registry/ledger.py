"""PURE: the chain that makes an altered, removed or reordered ledger record show."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

GENESIS = "0" * 64


@dataclass(frozen=True)
class Entry:
    """One thing that happened to a use case; `at` is event time, `text` says it in a sentence."""

    kind: str
    use_case: str
    at: datetime
    text: str
    event_id: str
    behaviour_digest: str | None = None
    contract_digest: str | None = None
    package_digest: str | None = None
    cause: str | None = None
    sequence: int | None = None


@dataclass(frozen=True)
class Link:
    """An entry as it stands in the ledger: its position, the hash before it, and its own."""

    position: int
    entry: Entry
    previous: str
    hash: str


@dataclass(frozen=True)
class Break:
    """The first place where the chain does not hold."""

    position: int
    reason: str


def chain_hash(previous: str, entry: Entry) -> str:
    """sha256 over the hash before and the canonical entry, so that no record can change without all that follow."""
    record = asdict(entry) | {"at": entry.at.astimezone(UTC).isoformat()}
    canonical = json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(f"{previous}\n{canonical}".encode()).hexdigest()


def find_break(links: Iterable[Link], head: str, length: int) -> Break | None:
    """The first record that is altered, missing or out of order; `head` and `length` stand apart from the records."""
    previous, count = GENESIS, 0
    for link in links:
        count += 1
        if link.position != count:
            return Break(count, f"record {count} is missing: {link.position} follows {count - 1}")
        if link.previous != previous:
            return Break(count, f"record {count} does not continue record {count - 1}")
        if link.hash != chain_hash(previous, link.entry):
            return Break(count, f"record {count} is not what was written")
        previous = link.hash
    if (previous, count) != (head, length):
        return Break(count, f"the ledger ends at record {count}, but {length} were written")
    return None
