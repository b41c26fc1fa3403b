"""Collects what a replay left behind: topics, ledger, tables and the client's own count."""

import io
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import polars as pl
from aiokafka import AIOKafkaConsumer

from headrace.dead_letters import Letter, fold, without_effect
from headrace.demo_report import Findings
from headrace.loop_report import History, once
from headrace.record_lines import event_in
from headrace.scenario import Scenario
from headrace.serving_client import ServingClient
from headrace.settings import authorization
from shared.contract import Policy
from shared.events import (
    CATALOGUE,
    Event,
    KpiReported,
    MalformedEventError,
    ModelReleased,
    PredictionServed,
)
from shared.feedback.joined import joined
from shared.spine.dead_letters import SUFFIX
from shared.spine.topics import partitions_of


async def read_topic(options: dict[str, Any], topic: str) -> list[Any]:
    """Every record of a topic, from the start to its present end."""
    consumer = AIOKafkaConsumer(**options, group_id=None, enable_auto_commit=False, auto_offset_reset="earliest")
    await consumer.start()
    try:
        partitions = await partitions_of(options, [topic])
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        records: list[Any] = []
        while any([await consumer.position(partition) < end for partition, end in ends.items()]):
            for part in (await consumer.getmany(timeout_ms=500)).values():
                records += part
        return records
    finally:
        await consumer.stop()


async def read_history(options: dict[str, Any]) -> History:
    """Every readable lifecycle event, topic after topic; what cannot be read has its dead letter."""
    events: list[Event | MalformedEventError] = []
    for topic, event in CATALOGUE.items():
        if event.kind == "lifecycle":
            events += [event_in(record) for record in await read_topic(options, topic)]
    return once(event for event in events if isinstance(event, Event))


async def collect(
    scenario: Scenario,
    client: ServingClient,
    options: dict[str, Any],
    urls: dict[str, str],
    feedback: Path | None,
    seed: int,
) -> Findings:
    """Everything that the report is made of. Without a folder of tables the monitor is asked for their rows."""
    use_case = scenario.contract.use_case
    history = await read_history(options)
    reports, releases = history.of(KpiReported), history.of(ModelReleased)
    async with httpx.AsyncClient(headers=authorization(), timeout=300.0) as http:
        ledger = (await http.get(f"{urls['registry']}/v1/use_cases/{use_case}/ledger")).json()
        serving = (await http.get(f"{urls['serving']}/v1/status")).json()
        rows = (
            joined(feedback, use_case, scenario.end)
            if feedback
            else await _ask_for_rows(http, urls["monitor"], use_case, scenario.end)
        )
    dead = without_effect(fold(await read_topic(options, PredictionServed.topic + SUFFIX)))
    return Findings(
        contract=scenario.contract,
        policy=Policy.model_validate(releases[-1].policy),
        rows=rows,
        reports=reports,
        history=history,
        ledger=ledger["entries"] if isinstance(ledger, dict) else ledger,
        answered=client.answered,
        failed=client.failed,
        tries_again=client.tries_again,
        dead=sum(map(_rows, dead)),
        dropped=serving["detail"]["dropped"]["predictions"],
        now=scenario.end,
        seed=seed,
        simulated=scenario.simulated,
    )


async def _ask_for_rows(http: httpx.AsyncClient, monitor: str, use_case: str, as_of: datetime) -> pl.DataFrame:
    answer = await http.get(f"{monitor}/v1/use_cases/{use_case}/decisions", params={"as_of": as_of.isoformat()})
    answer.raise_for_status()
    return pl.read_parquet(io.BytesIO(answer.content))


def _rows(letter: Letter) -> int:
    event = letter.event
    return max(len(event.decisions), 1) if isinstance(event, PredictionServed) else 1
