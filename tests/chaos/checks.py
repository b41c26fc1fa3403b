"""PURE: compares what clients were told with topics, databases and tables; every difference is a violation by name."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from shared.events import ActivationReported, Event, KpiReported, ModelReleased, TimeAdvanced, UseCaseApplied

Place = tuple[str, int, int]
_SHOWN = 5


@dataclass(frozen=True)
class Violation:
    """A broken promise: its name, how often, and the first few in words."""

    name: str
    count: int
    examples: tuple[str, ...]


@dataclass(frozen=True)
class Evidence:
    """Everything that is compared. `rows` are those of the joined table: prediction id -> (block, decision, label)."""

    answered: Mapping[str, str]
    labels: Mapping[str, str]
    packages: Sequence[str]
    rows: Sequence[tuple[str, str, str, str | None]]
    accounting: Mapping[str, int]
    value: Mapping[str, int]
    # Of each topic the events in the order of appending, with their key; repeats are there as they are.
    topics: Mapping[str, Sequence[tuple[str, Event]]]
    failed: Sequence[str] = ()
    kept_packages: frozenset[str] = frozenset()
    accepted_torn: Sequence[str] = ()
    # The monitor's database: (block, release sequence) -> (revision, volume).
    blocks: Mapping[tuple[str, int], tuple[int, int]] = field(default_factory=dict)
    # Who says it (table, blocks, report) -> block -> value in minor units.
    money: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    outboxes: Mapping[str, int] = field(default_factory=dict)
    open_runs: int = 0
    ledger_ids: Sequence[str] = ()
    ledger_breaks: Sequence[str] = ()
    rebuilt_otherwise: Sequence[str] = ()
    releases: Sequence[int] = ()
    served: Mapping[str, int] = field(default_factory=dict)
    spoilt: frozenset[Place] = frozenset()
    dead: Sequence[Place] = ()
    shortages: Sequence[str] = ()
    undisturbed_digest: str = ""
    disturbed_digest: str = ""


def violations(found: Evidence) -> list[Violation]:
    """Every promise that does not hold, in the order of the list below."""
    broken = ((name, list(check(found))) for name, check in CHECKS.items())
    return [Violation(name, len(texts), tuple(texts[:_SHOWN])) for name, texts in broken if texts]


def _lost_predictions(found: Evidence) -> Iterator[str]:
    held = {row[0] for row in found.rows}
    yield from sorted(found.answered.keys() - held)


def _unknown_predictions(found: Evidence) -> Iterator[str]:
    yield from sorted({row[0] for row in found.rows} - found.answered.keys())


def _other_decisions(found: Evidence) -> Iterator[str]:
    for prediction, _block, decision, _label in found.rows:
        if (told := found.answered.get(prediction, decision)) != decision:
            yield f"{prediction}: the client was told {told}, the table says {decision}"


def _counted_twice(found: Evidence) -> Iterator[str]:
    yield from (f"{name} in the table" for name, n in Counter(row[0] for row in found.rows).items() if n > 1)
    rows = Counter(block for _prediction, block, _decision, _label in found.rows)
    volumes: Counter[str] = Counter()
    for (block, _sequence), (_revision, volume) in found.blocks.items():
        volumes[block] += volume
    for block in sorted(rows.keys() | volumes.keys()):
        if rows[block] != volumes[block]:
            yield f"{block}: {rows[block]} rows, {volumes[block]} counted by the monitor"


def _lost_outcomes(found: Evidence) -> Iterator[str]:
    held = {prediction: label for prediction, _block, _decision, label in found.rows}
    for prediction, label in found.labels.items():
        if held.get(prediction) != label:
            yield f"{prediction}: {label} was acknowledged, the table says {held.get(prediction)}"


def _reports_differ(found: Evidence) -> Iterator[str]:
    newest: dict[tuple[str, int], tuple[int, int]] = {}
    for _key, event in found.topics.get(KpiReported.topic, ()):
        if isinstance(event, KpiReported):
            place = (event.block, event.release_sequence)
            newest[place] = max(newest.get(place, (0, 0)), (event.revision, event.volume))
    for place in sorted(newest.keys() | found.blocks.keys()):
        if newest.get(place) != found.blocks.get(place):
            yield f"{place}: the topic says {newest.get(place)}, the database {found.blocks.get(place)}"


def _not_once(found: Evidence) -> Iterator[str]:
    yield from (f"{name}: {count} events left in its outbox" for name, count in found.outboxes.items() if count)
    if found.open_runs:
        yield f"{found.open_runs} trainings are still open"
    yield from (f"{name} stands in the ledger {n} times" for name, n in Counter(found.ledger_ids).items() if n > 1)
    yield from found.rebuilt_otherwise
    yield from found.ledger_breaks


def _live(found: Evidence) -> Iterator[str]:
    if list(found.releases) != list(range(1, len(found.releases) + 1)):
        yield f"the releases are numbered {list(found.releases)}"
    for worker, sequence in found.served.items():
        if not found.releases or sequence != found.releases[-1]:
            yield f"{worker} serves release {sequence} of {list(found.releases)}"


def _place_of(event: Event) -> tuple[object, Any] | None:
    """What is ordered by which number: the later one must not come first."""
    match event:
        case KpiReported():
            return (event.block, event.release_sequence), event.revision
        case ModelReleased():
            return event.use_case, event.sequence
        case UseCaseApplied():
            return event.use_case, event.revision
        case ActivationReported():
            return None
        case TimeAdvanced():
            return "time", event.now
        case _:
            return None


def _order(found: Evidence) -> Iterator[str]:
    for topic, events in found.topics.items():
        seen: set[str] = set()
        last: dict[tuple[str, object], Any] = {}
        for key, event in events:
            if event.id in seen or (place := _place_of(event)) is None:
                continue
            seen.add(event.id)
            what = (key, place[0])
            if what in last and place[1] <= last[what]:
                yield f"{topic}: {place[1]} of {what} follows {last[what]}"
            last[what] = place[1]


def _accounting(found: Evidence) -> Iterator[str]:
    rest = sum(count for name, count in found.accounting.items() if name != "answered")
    if not found.accounting["answered"] == rest == len(found.answered):
        yield f"{dict(found.accounting)} for {len(found.answered)} answers"
    if found.value["blocks"] != found.value["table"]:
        yield f"the monitor's blocks are worth {found.value['blocks']}, the tables {found.value['table']}"


def _money(found: Evidence) -> Iterator[str]:
    for block in sorted({block for said in found.money.values() for block in said}):
        amounts = {name: said.get(block) for name, said in found.money.items()}
        if len(set(amounts.values())) > 1:
            yield f"{block}: " + ", ".join(f"{name} {amount}" for name, amount in amounts.items())


def _corrections(found: Evidence) -> Iterator[str]:
    told = [event for _key, event in found.topics.get(KpiReported.topic, ()) if isinstance(event, KpiReported)]
    by_place = {(each.use_case, each.block, each.release_sequence, each.revision): each for each in told}
    for (*place, revision), event in by_place.items():
        before = by_place.get((*place, revision - 1))  # type: ignore[arg-type]
        if event.replaces != (before.id if before else None):
            yield f"revision {revision} of {place} replaces {event.replaces}"


def _letters(found: Evidence) -> Iterator[str]:
    yield from (f"{place} was malformed and has no dead letter" for place in sorted(found.spoilt - set(found.dead)))
    yield from (f"{place} was in order and has a dead letter" for place in sorted(set(found.dead) - found.spoilt))


def _digests(found: Evidence) -> Iterator[str]:
    if found.undisturbed_digest != found.disturbed_digest:
        yield f"undisturbed {found.undisturbed_digest}, disturbed {found.disturbed_digest}"


CHECKS: Mapping[str, Callable[[Evidence], Iterable[str]]] = {
    "failed_request": lambda found: found.failed,
    "lost_prediction": _lost_predictions,
    "unknown_prediction": _unknown_predictions,
    "other_decision": _other_decisions,
    "counted_twice": _counted_twice,
    "lost_outcome": _lost_outcomes,
    "lost_package": lambda found: sorted(set(found.packages) - found.kept_packages),
    "torn_package_accepted": lambda found: found.accepted_torn,
    "report_and_database_differ": _reports_differ,
    "effect_not_once": _not_once,
    "not_one_live_release": _live,
    "order_broken": _order,
    "accounting_open": _accounting,
    "money_differs": _money,
    "correction_of_nothing": _corrections,
    "dead_letters_wrong": _letters,
    "ledger_digest_differs": _digests,
    "disturbed_too_little": lambda found: found.shortages,
}
