"""Publishes one measurement of a KPI through Kafka, as any other service would, after a look at the contract."""

import asyncio
from datetime import datetime
from typing import Any

from headrace.errors import CommandError
from shared.contract import Contract
from shared.contract.kpis import measurement_fault
from shared.events import MeasurementRecorded, to_record
from shared.spine.errors import TransientError
from shared.spine.publisher import Publisher

SOURCE = "headrace/cli"


class MeasurementError(CommandError):
    """The measurement would not be counted, or did not get through."""


def measurement(
    contract: Contract, name: str, value: float, unit: str | None, at: datetime, event_id: str | None = None
) -> MeasurementRecorded:
    """The event; without a unit it is that of the contract. Raises MeasurementError where it would be refused."""
    kpi = contract.kpis.get(name)
    named = unit or (kpi.unit if kpi else None) or "?"
    if fault := measurement_fault(contract.kpis, name, value, named):
        raise MeasurementError(fault)
    fields: dict[str, Any] = {"use_case": contract.use_case, "name": name, "value": value, "unit": named}
    return MeasurementRecorded.begin(source=SOURCE, time=at, id=event_id, **fields)


def publish(options: dict[str, Any], event: MeasurementRecorded) -> None:
    """Say it; raises MeasurementError when Kafka does not take it."""

    async def say() -> None:
        publisher = Publisher(options, deadline_seconds=15.0)
        try:
            await publisher.send([to_record(event)])
        finally:
            await publisher.stop()

    try:
        asyncio.run(say())
    except TransientError as error:
        raise MeasurementError(f"Kafka does not take the measurement: {error}") from error
