"""Another team's service, with nothing of ours in it, and our strict decoder understand each other on real Kafka."""

import ast
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import pytest

from examples.outside_service import outside_service
from shared.events import (
    Event,
    KpiReported,
    MeasurementRecorded,
    OutcomeRecorded,
    RollbackRequested,
    TrainingRequested,
    from_record,
)
from shared.events.records import to_record
from shared.spine.publisher import Publisher
from shared.spine.topics import provision
from tests.delivery.seen import everything
from tests.events.records import example

KNOWN = {"argparse", "cloudevents", "collections", "confluent_kafka", "datetime", "json", "sys", "typing"}
MEASURED = datetime(2013, 3, 4, 16, 20, tzinfo=UTC)
E = TypeVar("E", bound=Event)


def test_it_imports_nothing_of_ours() -> None:
    tree = ast.parse(Path(outside_service.__file__).read_text(encoding="utf-8"))
    named = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    named |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.partition(".")[0] for name in named} == KNOWN


async def heard(kafka: str, kind: type[E], use_case: str) -> E:
    """The one event of this use case on its topic, and its key."""
    (record,) = [one for one in await everything(kafka, kind.topic) if use_case.encode() in (one.value or b"")]
    assert record.key == use_case.encode()
    return from_record(kind, record.value, record.headers)


@pytest.mark.kafka
async def test_what_it_says_is_what_our_services_read(kafka: str) -> None:
    await provision({"bootstrap_servers": kafka})
    say: dict[type[Event], str] = {
        OutcomeRecorded: outside_service.record_outcomes(
            kafka, "billing", {"order-1/0": "late", "order-1/1": "on_time"}
        ),
        MeasurementRecorded: outside_service.record_measurement(
            kafka, "billing", "contacts", 2.0, "contacts", "case-7", MEASURED
        ),
        TrainingRequested: outside_service.request_training(kafka, "billing", "a new carrier"),
        RollbackRequested: outside_service.request_rollback(kafka, "billing", "complaints"),
    }
    outcomes = await heard(kafka, OutcomeRecorded, "billing")
    assert [(one.prediction_id, one.label) for one in outcomes.outcomes] == [
        ("order-1/0", "late"),
        ("order-1/1", "on_time"),
    ]
    measured = await heard(kafka, MeasurementRecorded, "billing")
    assert (measured.name, measured.value, measured.unit, measured.id) == ("contacts", 2.0, "contacts", "case-7")
    assert measured.time == MEASURED
    training = await heard(kafka, TrainingRequested, "billing")
    assert (training.reason, training.kind_of_cause, training.source) == ("a new carrier", "service", "outside-service")
    rollback = await heard(kafka, RollbackRequested, "billing")
    assert (rollback.reason, rollback.requested_by) == ("complaints", "outside-service")
    assert {type(one): one.id for one in (outcomes, measured, training, rollback)} == say


@pytest.mark.kafka
async def test_it_reads_every_report_of_its_use_case_once_it_is_done_with_the_last(kafka: str) -> None:
    options: dict[str, Any] = {"bootstrap_servers": kafka}
    await provision(options)
    reports = [
        example("kpi_reported").model_copy(update={"id": f"report-{number}", "use_case": use_case})
        for number, use_case in enumerate(("invoices", "parcels", "invoices"))
    ]
    publisher = Publisher(options)
    await publisher.send([to_record(report) for report in reports])
    await publisher.stop()
    first = next(reading := outside_service.reports(kafka, "invoices", "finance", 20))
    assert (first["id"], first["currency"]) == ("report-0", KpiReported.model_validate(dict(reports[0])).currency)
    # It ends before it said that it was done with the first report, so that one comes again.
    reading.close()  # type: ignore[attr-defined]
    again = outside_service.reports(kafka, "invoices", "finance", 20)
    assert [next(again)["id"], next(again)["id"]] == ["report-0", "report-2"]


def test_what_kafka_does_not_take_is_an_error() -> None:
    with pytest.raises(outside_service.NotDeliveredError, match="training_requested"):
        outside_service.publish("127.0.0.1:9", "training_requested", "billing", {}, patience_seconds=1.0)
