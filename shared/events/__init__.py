"""The catalogue of events: every topic, who says it, who listens, what it means."""

from shared.events.base import MAX_ROWS, Event, derived_id
from shared.events.capacity import CapacityChanged, CapacityWord
from shared.events.judged import (
    DriftDetected,
    KpiReported,
    MovedFeature,
    PackageEvaluated,
)
from shared.events.lifecycle import (
    ActivationReported,
    ModelRejected,
    ModelReleased,
    ModelTrained,
    ReportPublished,
    RollbackRequested,
    TimeAdvanced,
    TrainingFinished,
    TrainingRequested,
    UseCaseApplied,
)
from shared.events.measurements import MeasuredKpi, MeasurementRecorded
from shared.events.predictions import Outcome, OutcomeRecorded, PredictionServed
from shared.events.records import MalformedEventError, Record, as_document, from_record, to_record, unknown_fields

CATALOGUE: dict[str, type[Event]] = {
    event.topic: event
    for event in (
        UseCaseApplied,
        TrainingRequested,
        ModelTrained,
        TrainingFinished,
        ModelRejected,
        ModelReleased,
        CapacityChanged,
        ActivationReported,
        PredictionServed,
        OutcomeRecorded,
        MeasurementRecorded,
        RollbackRequested,
        KpiReported,
        DriftDetected,
        PackageEvaluated,
        ReportPublished,
        TimeAdvanced,
    )
}

__all__ = [
    "CATALOGUE",
    "MAX_ROWS",
    "ActivationReported",
    "CapacityChanged",
    "CapacityWord",
    "DriftDetected",
    "Event",
    "KpiReported",
    "MalformedEventError",
    "MeasuredKpi",
    "MeasurementRecorded",
    "ModelRejected",
    "ModelReleased",
    "ModelTrained",
    "MovedFeature",
    "Outcome",
    "OutcomeRecorded",
    "PackageEvaluated",
    "PredictionServed",
    "Record",
    "ReportPublished",
    "RollbackRequested",
    "TimeAdvanced",
    "TrainingFinished",
    "TrainingRequested",
    "UseCaseApplied",
    "as_document",
    "derived_id",
    "from_record",
    "to_record",
    "unknown_fields",
]
