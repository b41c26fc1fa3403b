"""The release snapshot: one small file per use case, enough to start when Kafka, registry and store are away."""

import json
import logging
from pathlib import Path
from typing import Any, NamedTuple

from services.serving.lowered import Capacities, Words
from services.serving.segments import write_atomically
from shared.contract import Contract
from shared.events import ModelReleased, from_record, to_record
from shared.package.canonical import canonical_json, sha256_hex

log = logging.getLogger(__name__)


class Remembered(NamedTuple):
    """What was served last, and what its teams had said about their capacity."""

    release: ModelReleased
    contract: Contract
    words: Words


def save(directory: Path, release: ModelReleased, contract: Contract, words: Words | None = None) -> None:
    """Remember a release with its contract, unless a newer one is remembered already; words are added to those known.

    A worker that has heard less than its neighbour must not make the host forget.
    """
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{release.use_case}.json"
    known = _read(path)
    if known and known.release.sequence > release.sequence:
        return
    heard = Capacities()
    for one in (known.words if known else {}, words or {}):
        heard.add(release.use_case, one)
    told = heard.of(release.use_case)
    if known and known.release == release and known.words == told:
        # The other workers of the host have it from the first of them.
        return
    record = to_record(release)
    document: dict[str, Any] = {
        "headers": [[name, value.decode()] for name, value in record.headers],
        "event": record.value.decode(),
        "contract": contract.to_json(),
    }
    if told:
        document["capacity"] = told
    write_atomically(path, json.dumps({**document, "sha256": _digest(document)}).encode(), sync=True)


def load(directory: Path) -> list[Remembered]:
    """Return what can be read; a damaged file is said and left out."""
    found = [_read(path) for path in sorted(directory.glob("*.json"))]
    return [each for each in found if each]


def _digest(document: dict[str, Any]) -> str:
    return sha256_hex(canonical_json(document))


def _read(path: Path) -> Remembered | None:
    try:
        document = json.loads(path.read_bytes())
        # A flipped bit may leave a readable file with another cost or a sequence that nothing ever replaces.
        if document.pop("sha256") != _digest(document):
            raise ValueError("it is not what was written")
        headers = [(str(name), str(value).encode()) for name, value in document["headers"]]
        release = from_record(ModelReleased, document["event"].encode(), headers)
        words = {
            str(block): {str(name): (int(sequence), int(limit)) for name, (sequence, limit) in decisions.items()}
            for block, decisions in document.get("capacity", {}).items()
        }
        return Remembered(release, Contract.model_validate(document["contract"]), words)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        log.exception("a release snapshot cannot be read", extra={"path": str(path)})
        return None
