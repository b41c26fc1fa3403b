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
    known = _document(path)
    if known and _sequence(known) > release.sequence:
        return
    heard = Capacities()
    for one in (_words(known) if known else {}, words or {}):
        heard.add(release.use_case, one)
    told = heard.of(release.use_case)
    record = to_record(release)
    headers, event = [[name, value.decode()] for name, value in record.headers], record.value.decode()
    if known and (known["headers"], known["event"], _words(known)) == (headers, event, told):
        # The other workers of the host have it from the first of them.
        return
    document: dict[str, Any] = {"headers": headers, "event": event, "contract": contract.to_json()}
    if told:
        document["capacity"] = told
    write_atomically(path, json.dumps({**document, "sha256": _digest(document)}).encode(), sync=True)


def load(directory: Path) -> list[Remembered]:
    """Return what can be read; a damaged file is said and left out."""
    found = [_remembered(path) for path in sorted(directory.glob("*.json"))]
    return [each for each in found if each]


def _digest(document: dict[str, Any]) -> str:
    return sha256_hex(canonical_json(document))


def _document(path: Path) -> dict[str, Any] | None:
    """Return what is written there; None where nothing is, or where it is damaged, which is said."""
    try:
        document: dict[str, Any] = json.loads(path.read_bytes())
        # A flipped bit may leave a readable file with another cost or a sequence that nothing ever replaces.
        if document.pop("sha256") != _digest(document):
            raise ValueError("it is not what was written")
        _ = document["headers"], _sequence(document), _words(document)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        log.exception("a release snapshot cannot be read", extra={"path": str(path)})
        return None
    return document


def _remembered(path: Path) -> Remembered | None:
    document = _document(path)
    if document is None:
        return None
    try:
        headers = [(str(name), str(value).encode()) for name, value in document["headers"]]
        release = from_record(ModelReleased, document["event"].encode(), headers)
        return Remembered(release, Contract.model_validate(document["contract"]), _words(document))
    except (ValueError, KeyError, TypeError, AttributeError):
        log.exception("a release snapshot cannot be understood", extra={"path": str(path)})
        return None


def _sequence(document: dict[str, Any]) -> int:
    return int(json.loads(document["event"])["sequence"])


def _words(document: dict[str, Any]) -> Words:
    return {
        str(block): {str(name): (int(sequence), int(limit)) for name, (sequence, limit) in decisions.items()}
        for block, decisions in document.get("capacity", {}).items()
    }
