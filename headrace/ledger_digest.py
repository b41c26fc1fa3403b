"""The fingerprint of a replay: what was released when and why, and the money of every block."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from shared.events import KpiReported

LEDGER_FIELDS = ("at", "kind", "behaviour_digest", "contract_digest", "cause", "sequence")


def latest_by_block(reports: Iterable[KpiReported]) -> dict[tuple[str, int], KpiReported]:
    """The newest report of each (block, release): a correction replaces what it names."""
    newest: dict[tuple[str, int], KpiReported] = {}
    for report in reports:
        key = (report.block, report.release_sequence)
        if key not in newest or report.revision > newest[key].revision:
            newest[key] = report
    return dict(sorted(newest.items()))


def ledger_digest(entries: Iterable[Mapping[str, Any]], reports: Iterable[KpiReported]) -> str:
    """SHA-256 over the ledger's entries in order, then over each block's money.

    Equal for the same data and seed, whatever the machine's speed and however often something was killed.
    """
    digest = hashlib.sha256()
    for entry in entries:
        digest.update(json.dumps([entry.get(field) for field in LEDGER_FIELDS]).encode())
    for (block, sequence), report in latest_by_block(reports).items():
        money = [block, sequence, report.volume, report.cost_minor, report.cost_without_model_minor, report.value_minor]
        digest.update(json.dumps(money).encode())
    return digest.hexdigest()
