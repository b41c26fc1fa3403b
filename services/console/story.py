"""PURE: what changed and why, told from the events in plain words."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from services.console.facts import Facts, Period
from services.console.words import changed_terms, plain, why_not
from services.console.words import day as day_in_words
from shared.events import (
    ActivationReported,
    DriftDetected,
    Event,
    ModelRejected,
    ModelReleased,
    ModelTrained,
    RollbackRequested,
    TrainingFinished,
    TrainingRequested,
    UseCaseApplied,
)

_ORDER = ("terms", "room", "trouble", "trained", "tried", "back", "model")
_BEGUN_BY = {
    "person": "somebody asked for it",
    "schedule": "it was time",
    "drift": "cases had come to differ from what it had learned",
    "service": "another team's program asked for it",
}


@dataclass(frozen=True)
class Entry:
    """One line of the story. `quote`: what a person said about it, in their own words."""

    day: str
    kind: str
    text: str
    quote: str = ""


def story(facts: Facts, period: Period) -> list[Entry]:
    """Everything that changed on the days of a period, in order."""
    told = [entry for event in facts.events for entry in _tell(facts, event) if entry.day in period]
    told += [entry for report in facts.within(period) for entry in _less_room(report.block, report.model_dump())]
    told = list(dict.fromkeys(told))
    # What led to a thing stands before it, whoever told first on that day.
    return sorted(told, key=lambda entry: (entry.day, _ORDER.index(entry.kind)))


def _tell(facts: Facts, event: Event) -> Iterator[Entry]:
    day = facts.day_of(event.time)
    match event:
        case UseCaseApplied(revision=1):
            yield Entry(day, "terms", f"{event.signed_by} signed the terms, and it began.")
        case UseCaseApplied():
            yield Entry(day, "terms", f"{event.signed_by} changed the terms: {changed_terms(event.changed)}.")
        case TrainingFinished(outcome="trained"):
            yield Entry(day, "trained", f"A model was trained, because {_begun_by(facts, event)}.")
        case TrainingFinished(outcome="failed"):
            yield Entry(day, "trouble", "A training failed; the model that decides stayed as it was.")
        case ModelReleased():
            yield _released(facts, event, day)
        case ModelRejected():
            yield Entry(day, "tried", f"A newer model was not used: {why_not(event.gate)}.")
        case ActivationReported(status="refused"):
            yield Entry(day, "trouble", "A server refused a model, and went on with the one before it.")
        case DriftDetected():
            yield Entry(day, "trouble", "The model began to err more than it should: cases are not as they were.")
        case _:
            return


def _less_room(block: str, report: dict[str, Any]) -> Iterator[Entry]:
    """What teams said about the room they have on a day; both releases of a day tell the same."""
    for word in report.get("capacity_changes", ()):
        less = word["limit"] < word["contract_limit"]
        room = "less room than the terms say" if less else "the room that the terms say again"
        yield Entry(block, "room", f"{word['changed_by']} had {room} for “{plain(word['decision'])}”.", word["reason"])


def _begun_by(facts: Facts, event: Event) -> str:
    seen: set[str] = set()
    cause = facts.by_id.get(event.causation_id or "")
    while cause is not None and cause.id not in seen:
        seen.add(cause.id)
        if isinstance(cause, DriftDetected):
            return _BEGUN_BY["drift"]
        if isinstance(cause, TrainingRequested):
            return _BEGUN_BY[cause.kind_of_cause]
        cause = facts.by_id.get(cause.causation_id or "")
    return "it was due"


def _released(facts: Facts, event: ModelReleased, day: str) -> Entry:
    until = _trained_until(facts, event)
    match event.cause:
        case "first":
            return Entry(day, "model", f"The first model began to decide{until}.")
        case "promotion":
            return Entry(day, "model", f"A newer model took over{until}: on most days it had cost less.")
        case "objective":
            return Entry(day, "terms", "The same model decides under the new terms; nothing had to be trained.")
        case "rollback":
            why, quote = taken_back(facts, event)
            return Entry(day, "back", f"The model was taken back, and an earlier one decides again: {why}.", quote)
        case _:
            how = "against the checks" if event.forced else "by hand"
            return Entry(day, "model", f"{event.released_by} put a model into use {how}{until}.", _said(event.reason))


def taken_back(facts: Facts, event: ModelReleased) -> tuple[str, str]:
    """Why a model was taken back, and the words of the person who did it."""
    cause = facts.by_id.get(event.causation_id or "")
    if not isinstance(cause, RollbackRequested):
        return f"{event.released_by} decided so", _said(event.reason)
    kpi = cause.kpi or ""
    if kpi in facts.contract.kpis and facts.contract.kpis[kpi].against:
        return "it cost more in each case than the earlier one would have", ""
    if kpi in facts.contract.kpis:
        return f"“{plain(kpi)}” had broken its limit", ""
    if cause.requested_by.startswith("monitor"):
        return "it did not answer as it should", ""
    return f"{cause.requested_by} asked for it", _said(cause.reason)


def _trained_until(facts: Facts, event: ModelReleased) -> str:
    trained = [one for one in facts.of(ModelTrained) if one.package_digest == event.package_digest]
    return f", having learned from cases up to {day_in_words(facts.day_of(trained[-1].train_until))}" if trained else ""


def _said(reason: str) -> str:
    return reason.partition("; forced past ")[0].strip()[:300]


def kinds(entries: Sequence[Entry], *wanted: str) -> list[Entry]:
    """The entries of these kinds."""
    return [entry for entry in entries if entry.kind in wanted]
