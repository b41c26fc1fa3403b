"""One readable line for every event, as an operator would tell it."""

from collections import Counter
from collections.abc import Mapping

from shared.contract.amounts import MINOR_DIGITS
from shared.events import (
    ActivationReported,
    CapacityChanged,
    DriftDetected,
    Event,
    KpiReported,
    MeasurementRecorded,
    ModelRejected,
    ModelReleased,
    ModelTrained,
    OutcomeRecorded,
    PackageEvaluated,
    PredictionServed,
    ReportPublished,
    RollbackRequested,
    TimeAdvanced,
    TrainingFinished,
    TrainingRequested,
    UseCaseApplied,
)
from shared.events.dead import DeadLetterSettled

_SHOWN_CHANGES = 4


def describe(event: Event) -> str:
    """What happened, without time, topic and use case.

    >>> from datetime import UTC, datetime
    >>> march = datetime(2013, 3, 2, 5, tzinfo=UTC)
    >>> describe(TimeAdvanced.begin(source="replay", time=march, now=march))
    'event time is now 2013-03-02 05:00Z'
    """
    match event:
        case PredictionServed() | OutcomeRecorded() | MeasurementRecorded() | TimeAdvanced():
            return _about_data(event)
        case KpiReported() | ReportPublished():
            return _kpi(event) if isinstance(event, KpiReported) else _published(event)
        case UseCaseApplied():
            changed = _some(event.changed) or "everything new"
            return f"contract {_short(event.contract_digest)} revision {event.revision} by {event.signed_by}: {changed}"
        case CapacityChanged():
            limits = f"{event.limit} of {event.contract_limit}"
            return f"{event.changed_by} takes {limits} {event.decision} in block {event.block}: {event.reason}"
        case TrainingRequested():
            return f"{event.requested_by} ({event.kind_of_cause}) asks for training: {event.reason}"
        case ModelTrained():
            numbers = _numbers(event.evaluation)
            return f"package {_short(event.package_digest)} trained until {event.train_until:%Y-%m-%d %H:%MZ}{numbers}"
        case TrainingFinished():
            what = f"package {_short(event.package_digest)}, " if event.package_digest else ""
            why = event.reason.removeprefix(f"{event.outcome}, ")
            return f"run {event.run_id} {event.outcome}: {what}{why} ({event.wall_seconds:.1f} s)"
        case ModelRejected():
            return f"package {_short(event.package_digest)} rejected at {event.gate}: {event.explanation}"
        case ModelReleased():
            forced = ", forced" if event.forced else ""
            return (
                f"release {event.sequence}: package {_short(event.package_digest)} under contract "
                f"{_short(event.contract_digest)} because {event.cause}{forced}: {event.reason} ({event.released_by})"
            )
        case ActivationReported():
            where = f"replica {event.replica} worker {event.worker}"
            if event.status == "active":
                return f"{where} serves release {event.sequence} ({event.milliseconds:.0f} ms)"
            return f"{where} refused release {event.sequence} at {event.check}: {event.detail}"
        case RollbackRequested():
            release = f"release {event.release_sequence}" if event.release_sequence else "the release"
            to = f" to package {_short(event.to_package)}" if event.to_package else ""
            # Blocks are told as numbers like 20130504; the reason says them better.
            told = {name: value for name, value in event.evidence.items() if not name.endswith("_block")}
            kpi = f" [{event.kpi}{_numbers(told)}]" if event.kpi else ""
            return f"{event.requested_by} asks to roll back {release}{to}: {event.reason}{kpi}"
        case DriftDetected():
            moved = _some([feature.name for feature in event.features])
            sure = f"e-value {event.e_value:.4g} of {event.threshold:.4g}"
            return f"release {event.release_sequence} drifts since block {event.block} ({sure}); moved: {moved or '-'}"
        case PackageEvaluated():
            return _evaluated(event)
        case DeadLetterSettled():
            repaired = " with a repaired body" if event.body_digest else ""
            return f"{event.by} {event.act} {event.letter}{repaired}: {event.reason or 'no reason given'}"
        case _:
            return repr(event)


def _about_data(event: PredictionServed | OutcomeRecorded | MeasurementRecorded | TimeAdvanced) -> str:
    match event:
        case PredictionServed(status="answered"):
            decided = ", ".join(f"{count} {name}" for name, count in Counter(event.decisions).most_common())
            flagged = sum(bool(names) for names in event.flagged)
            note = f", {flagged} flagged" if flagged else ""
            return f"{len(event.decisions)} decisions: {decided}{note} ({event.latency_ms:.0f} ms)"
        case PredictionServed():
            return f"request {event.request_id} {event.status}: {event.error or 'no reason given'}"
        case OutcomeRecorded():
            labels = Counter(outcome.label for outcome in event.outcomes if outcome.label is not None)
            numbers = sum(outcome.value is not None for outcome in event.outcomes)
            told = [f"{count} {label}" for label, count in labels.most_common()]
            told += [f"{numbers} measured"] if numbers else []
            return f"{len(event.outcomes)} outcomes: {', '.join(told)}"
        case MeasurementRecorded():
            return f"{event.name} is {event.value:.6g} {event.unit} (said by {event.source})"
        case TimeAdvanced():
            return f"event time is now {event.now:%Y-%m-%d %H:%MZ}"


def _kpi(event: KpiReported) -> str:
    value = _money(abs(event.value_minor), event.currency)
    better = "better" if event.value_minor >= 0 else "worse"
    allowed = {word.decision: f" (the contract allows {word.contract_limit})" for word in event.capacity_changes}
    used = "".join(
        f", {name} {event.capacity_used.get(name, 0)} of {limit}{allowed.get(name, '')}"
        for name, limit in event.capacity_limit.items()
    )
    used += "".join(
        f", {name} {kpi.value:.6g} {kpi.unit}" for name, kpi in event.measured.items() if kpi.value is not None
    )
    incidents = f"; incidents: {'; '.join(event.incidents)}" if event.incidents else ""
    again = f" (correction {event.revision})" if event.replaces else ""
    return (
        f"block {event.block} {event.status.replace('_', ' ')}{again}: {event.volume} cases, "
        f"cost {_money(event.cost_minor, event.currency)} {event.currency}, {value} {better} than without a model, "
        f"labels {100 * event.coverage:.1f} %{_chosen(event)}{used}{incidents}"
    )


def _evaluated(event: PackageEvaluated) -> str:
    role = event.role.replace("_", " ")
    costs = f"would have cost {event.cost_minor} in minor units, served was {event.served_cost_minor}"
    labels = f"{event.labelled} labels{_chosen(event)}"
    return f"block {event.block}: {role} {_short(event.package_digest)} {costs} ({labels})"


def _published(event: ReportPublished) -> str:
    better = "better" if event.value_minor >= 0 else "worse"
    value = f"{_money(abs(event.value_minor), event.currency)} {event.currency} {better} than without a model"
    period = f"the {event.every} {event.first_block} to {event.last_block}"
    return (
        f"report of {period} went out: {event.volume} cases, {value}{_chosen(event)}, {event.incidents} incidents "
        f"({event.page})"
    )


def _chosen(event: KpiReported | PackageEvaluated | ReportPublished) -> str:
    return ", selected" if event.selected else ""


def _money(minor: int, currency: str) -> str:
    """Exact: minor units are integers.

    >>> _money(31240, "USD"), _money(-5, "USD"), _money(312, "JPY")
    ('312.40', '-0.05', '312')
    """
    digits = MINOR_DIGITS.get(currency, 2)
    whole, rest = divmod(abs(minor), 10**digits)
    return f"{'-' if minor < 0 else ''}{whole}" + (f".{rest:0{digits}d}" if digits else "")


def _short(digest: str) -> str:
    return digest[:8]


def _some(names: list[str]) -> str:
    rest = len(names) - _SHOWN_CHANGES
    return ", ".join(names[:_SHOWN_CHANGES]) + (f" and {rest} more" if rest > 0 else "")


def _numbers(numbers: Mapping[str, float]) -> str:
    return "".join(
        f", {name} {value:,.0f}" if abs(value) >= 1000 else f", {name} {value:.4g}" for name, value in numbers.items()
    )
