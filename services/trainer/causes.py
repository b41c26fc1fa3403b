"""An event as the trainer's tables keep it, and what it says about why a run was started."""

import json
from typing import Any, TypeVar

from services.trainer.governor import Ask
from shared.events import CATALOGUE, DriftDetected, Event, TrainingRequested

Kept = TypeVar("Kept", bound=Event)


def to_document(event: Event) -> dict[str, Any]:
    """Return the event as JSON that names its topic."""
    return {"topic": event.topic, **event.model_dump(mode="json")}


def from_document(document: dict[str, Any]) -> Event:
    """Return the event again; a document without a topic is a request, as they were written before there was drift."""
    kind = CATALOGUE[document.get("topic", TrainingRequested.topic)]
    return kind.model_validate_json(json.dumps({key: part for key, part in document.items() if key != "topic"}))


def read_as(kind: type[Kept], document: dict[str, Any]) -> Kept:
    """Return the event again where its kind is known."""
    event = from_document(document)
    assert isinstance(event, kind)
    return event


def ask_of(event: TrainingRequested | DriftDetected) -> Ask:
    """Return what the governor decides on."""
    if isinstance(event, TrainingRequested):
        return Ask(event.id, event.use_case, event.kind_of_cause, event.reason, signs_of(to_document(event)))
    named = [feature.name for feature in event.features if feature.named]
    moved = ", ".join((named or [feature.name for feature in event.features])[:3])
    reason = f"drift in block {event.block}: e-value {event.e_value:.3g} over {event.threshold:.3g}, {event.method}"
    if moved:
        reason += f"; most moved: {moved}"
    signs, warns = signs_of(to_document(event)), event.severity == "warning"
    return Ask(event.id, event.use_case, "drift", reason[:4000], signs, warns)


def signs_of(document: dict[str, Any]) -> frozenset[str]:
    """Return what a request is about: itself, the event behind it, for drift also package and epoch.

    Whoever asks because of an event that a run was started for already asks for the same run.
    """
    signs = {f"event {name}" for name in (document["id"], document.get("causation_id")) if name}
    if document.get("topic") == DriftDetected.topic:
        signs.add(f"drift of {document['package_digest']} in epoch {document['epoch']}")
    return frozenset(signs)
