"""PURE: what the loop did over a replay: managed against frozen, retrainings, rollbacks, the forced release."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from headrace.describe import describe
from shared.events import (
    ActivationReported,
    DriftDetected,
    Event,
    KpiReported,
    ModelRejected,
    ModelReleased,
    PackageEvaluated,
    RollbackRequested,
    TimeAdvanced,
    TrainingFinished,
    TrainingRequested,
)

E = TypeVar("E", bound=Event)
FIRST_MONTH = "2013-04"


@dataclass(frozen=True)
class History:
    """Every lifecycle event of a use case, once, in the order in which it was written."""

    events: Sequence[Event]

    def of(self, kind: type[E]) -> list[E]:
        """Those of one kind."""
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def by_id(self) -> dict[str, Event]:
        """Event id -> event."""
        return {event.id: event for event in self.events}


def once(events: Iterable[Event]) -> History:
    """Drop repeats: the relay tells at least once."""
    seen: dict[str, Event] = {}
    for event in events:
        seen.setdefault(event.id, event)
    return History(list(seen.values()))


def served_by_block(history: History) -> dict[str, dict[int, KpiReported]]:
    """Block -> release sequence -> its newest report."""
    blocks: dict[str, dict[int, KpiReported]] = {}
    for report in history.of(KpiReported):
        known = blocks.setdefault(report.block, {}).get(report.release_sequence)
        if known is None or report.revision > known.revision:
            blocks[report.block][report.release_sequence] = report
    return dict(sorted(blocks.items()))


def evaluations(history: History, role: str) -> dict[str, PackageEvaluated]:
    """Block -> evaluation of the package in that role; the last one told counts."""
    return {event.block: event for event in history.of(PackageEvaluated) if event.role == role}


def build_loop_report(history: History) -> dict[str, Any]:
    """The figures of the loop as plain JSON types; money in minor units."""
    blocks, frozen = served_by_block(history), evaluations(history, "pinned")
    forced = {release.sequence for release in history.of(ModelReleased) if release.forced}
    forced_days = [block for block, served in blocks.items() if forced & served.keys()]
    pairs = [_pair(blocks[block], frozen.get(block)) for block in blocks if _counts(block, forced_days)]
    managed, unmanaged = sum(pair[0] for pair in pairs), sum(pair[1] for pair in pairs)
    trained = [run for run in history.of(TrainingFinished) if run.outcome == "trained"]
    return {
        "managed_over_frozen": managed / unmanaged if unmanaged else None,
        "frozen_by_month": _frozen_by_month(blocks, frozen, forced_days),
        "promoted": sum(release.cause == "promotion" for release in history.of(ModelReleased)),
        "not_promoted": len(history.of(ModelRejected)),
        "retrainings": max(len(trained) - 1, 0),
        "drift_retrainings": sum(_caused_by(history, run, DriftDetected, "drift") for run in trained[1:]),
        "trainings": [_training(history, run, blocks) for run in trained],
        "rollbacks": [_rollback(history, one) for one in history.of(ModelReleased) if one.cause == "rollback"],
        "forced": {"days": len(forced_days), "loss": _forced_loss(history, forced_days)},
        "timeline": timeline(history),
    }


def _counts(block: str, forced_days: Sequence[str]) -> bool:
    return block >= FIRST_MONTH and block not in forced_days


def _pair(served: dict[int, KpiReported], frozen: PackageEvaluated | None) -> tuple[int, int]:
    """(managed, frozen) on the same rows; where the first package itself was served, the two are one."""
    if frozen is not None:
        return frozen.served_cost_minor, frozen.cost_minor
    cost = sum(report.cost_minor for report in served.values())
    return cost, cost


def _frozen_by_month(
    blocks: dict[str, dict[int, KpiReported]], frozen: dict[str, PackageEvaluated], forced_days: Sequence[str]
) -> dict[str, dict[str, int]]:
    """Month -> managed and frozen cost and cases; days of a forced release are left out."""
    months: dict[str, dict[str, int]] = {}
    for block, served in blocks.items():
        if block in forced_days:
            continue
        line = months.setdefault(block[:7], {"managed_minor": 0, "frozen_minor": 0, "cases": 0})
        managed, unmanaged = _pair(served, frozen.get(block))
        line["managed_minor"] += managed
        line["frozen_minor"] += unmanaged
        line["cases"] += sum(report.labelled for report in served.values())
    return months


def _forced_loss(history: History, days: Sequence[str]) -> int:
    """What the forced release cost more than the package it replaced, on the same rows."""
    target = evaluations(history, "rollback_target")
    known = [target[day] for day in days if day in target]
    return sum(event.served_cost_minor - event.cost_minor for event in known)


def _training(history: History, run: TrainingFinished, blocks: dict[str, dict[int, KpiReported]]) -> dict[str, Any]:
    """What became of a training; gains in minor units, on labelled rows.

    Served: what its days cost less than the package it replaced would have. Never served: what it would have saved on
    the days that it was judged on.
    """
    package = run.package_digest or ""
    releases = [one for one in history.of(ModelReleased) if one.package_digest == package]
    closed = [one for one in history.of(ModelRejected) if one.package_digest == package]
    told = {"at": run.time.isoformat(), "package": package, "became": "open", "days": 0, "gain_minor": 0}
    if releases:
        sequences = {one.sequence for one in releases}
        days = [block for block, served in blocks.items() if sequences & served.keys()]
        replaced = evaluations(history, "rollback_target")
        judged = [replaced[day] for day in days if day in replaced and replaced[day].package_digest != package]
        gain = sum(event.cost_minor - event.served_cost_minor for event in judged)
        return told | {"became": f"release {releases[0].sequence}", "days": len(days), "gain_minor": gain}
    own = [each for each in history.of(PackageEvaluated) if (each.package_digest, each.role) == (package, "candidate")]
    gain = sum(event.served_cost_minor - event.cost_minor for event in own)
    return told | {"became": closed[0].gate if closed else "open", "days": len(own), "gain_minor": gain}


def _caused_by(history: History, event: Event, kind: type[Event], kind_of_cause: str) -> bool:
    """Whether the event's causes reach one of this kind."""
    known = history.by_id
    cause = known.get(event.causation_id or "")
    while cause is not None:
        if isinstance(cause, kind):
            return True
        if isinstance(cause, TrainingRequested) and cause.kind_of_cause == kind_of_cause:
            return True
        cause = known.get(cause.causation_id or "")
    return False


def _rollback(history: History, release: ModelReleased) -> dict[str, Any]:
    cause = history.by_id.get(release.causation_id or "")
    asked = cause if isinstance(cause, RollbackRequested) else None
    return {
        "at": release.time.isoformat(),
        "sequence": release.sequence,
        "kpi": asked.kpi if asked else None,
        "evidence": dict(asked.evidence) if asked else {},
        "cause": asked.reason if asked else release.reason,
        "by": asked.requested_by if asked else release.released_by,
    }


def timeline(history: History) -> list[dict[str, str]]:
    """Causes and effects in order of event time; what happens every day is left out."""
    quiet = (KpiReported, PackageEvaluated, TimeAdvanced, ActivationReported)
    shown = [event for event in history.events if not isinstance(event, quiet)]
    shown.sort(key=lambda event: event.time)
    return [
        {"time": event.time.isoformat(), "topic": event.topic, "id": event.id, "text": describe(event)}
        for event in shown
    ]
