"""Takes measurements in, and gathers those of blocks that are reported."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from services.monitor.measured import AHEAD, KEPT, numbers_of, of_release
from services.monitor.measured_store import MeasurementStore
from services.monitor.metrics import MONITOR_MEASUREMENTS_TOTAL
from services.monitor.store import Contracts
from services.monitor.tables import BlockRow
from shared.contract.capacity import block_bounds, block_of
from shared.contract.kpis import measurement_fault
from shared.contract.schema import Contract
from shared.events import MeasurementRecorded
from shared.spine.db import Database
from shared.spine.errors import PermanentError

# (block, release sequence) -> its measured KPIs, as `kpi_reported` tells them.
Told = Mapping[tuple[str, int], dict[str, dict[str, Any]]]


class MeasurementError(PermanentError):
    """A readable `measurement_recorded` that cannot be counted."""


def place_of(event: MeasurementRecorded, contract: Contract | None, now: dt.datetime) -> str:
    """The block in which a measurement counts; raises MeasurementError that names the field and what is allowed."""
    fault = _fault(event, contract, now)
    # A stranger's name for a use case must not become a label.
    known = event.use_case if contract else ""
    outcome = f"refused_{fault.partition(':')[0]}" if fault else "counted"
    MONITOR_MEASUREMENTS_TOTAL.labels(known, outcome).inc()
    if fault or contract is None:
        raise MeasurementError(fault)
    return block_of(contract, event.time)


def _fault(event: MeasurementRecorded, contract: Contract | None, now: dt.datetime) -> str | None:
    if contract is None:
        return f"use_case: no contract was ever applied for {event.use_case}"
    if event.time > now + AHEAD:
        return f"time: {event.time.isoformat()} is more than {AHEAD.days} days ahead of {now.isoformat()}"
    block = block_of(contract, event.time)
    if not _is_kept(contract, block, now):
        return f"time: block {block} ended more than {KEPT.days} days before {now.isoformat()}: too late to count"
    return measurement_fault(contract.kpis, event.name, event.value, event.unit)


def _is_kept(contract: Contract, block: str, now: dt.datetime) -> bool:
    return block_bounds(contract, block)[1] + KEPT > now


async def told_of(db: Database, contracts: Contracts, rows: Sequence[BlockRow], now: dt.datetime) -> Told:
    """The measured KPIs of these blocks of one use case; nothing where their contracts have none."""
    found: dict[tuple[str, int], dict[str, dict[str, Any]]] = {}
    by_contract = {row.contract_digest: contracts.get(row.contract_digest) for row in rows}
    measured = {digest: one for digest, one in by_contract.items() if one and _has_any(one)}
    mine = [row for row in rows if row.contract_digest in measured]
    if not mine:
        return found
    async with db.read() as session:
        store = MeasurementStore(session)
        values = await store.list_of_blocks(mine[0].use_case, {row.block for row in mine})
        released = await store.list_decided(mine[0].use_case, {row.block for row in mine})
    for row in mine:
        contract = measured[row.contract_digest]
        if not _is_kept(contract, row.block, now):
            # Its values are gone, or will be: what was told last stands.
            found[row.block, row.release_sequence] = (row.report or {}).get("measured", {})
            continue
        sequences = released[row.block]
        of_row = [one for one in values[row.block] if of_release(one.at, sequences) == row.release_sequence]
        found[row.block, row.release_sequence] = numbers_of(contract, of_row)
    return found


def _has_any(contract: Contract) -> bool:
    return any(kpi.measured for kpi in contract.kpis.values())
