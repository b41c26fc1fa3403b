"""`headrace rebuild registry --check`: folds the registry's own events anew, and compares with what it says it is."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from headrace.errors import CommandError
from headrace.record_lines import event_in
from headrace.registry_client import RegistryClient
from headrace.topic_reader import TopicReader, kafka_options
from shared.events import CapacityChanged, Event, ModelRejected, ModelReleased, UseCaseApplied

# What the registry publishes; its source tells its events from those that others put on the same topics.
OWN = {event.topic for event in (UseCaseApplied, ModelReleased, ModelRejected, CapacityChanged)}
SOURCE = "headrace/registry"
_RELEASE = (
    *("package_digest", "behaviour_digest", "contract_digest", "policy", "cause", "reason", "released_by"),
    *("rollback_target", "forced"),
)
_CAPACITY = ("block", "decision", "limit", "contract_limit", "reason", "changed_by", "event_id")
# A use case -> the name of a fact -> what it is: flat, so that two states differ fact by fact.
State = dict[str, dict[str, Any]]


def fold(events: Iterable[Event]) -> State:
    """The state that the events alone make of an empty registry: nothing is decided again, repetitions do nothing."""
    state: State = {}
    seen: set[str] = set()
    for event in events:
        if event.source != SOURCE or event.id in seen:
            continue
        seen.add(event.id)
        match event:
            case UseCaseApplied():
                facts = {"revision": event.revision, "contract_digest": event.contract_digest}
                state.setdefault(event.use_case, {}).update(facts)
            case ModelReleased():
                state.setdefault(event.use_case, {}).update(_release(event.sequence, event.model_dump(mode="json")))
            case ModelRejected():
                said = (event.package_digest, f"{event.gate}: {event.explanation}")
                state.setdefault(event.use_case, {})[f"rejection {event.id}"] = said
            case CapacityChanged():
                told = {**event.model_dump(mode="json"), "event_id": event.id}
                state.setdefault(event.use_case, {}).update(_capacity(event.sequence, told))
            case _:
                pass
    return state


def said_by(registry: RegistryClient) -> State:
    """The same facts, as the registry's API tells them; raises RegistryError."""
    state: State = {}
    for one in registry.use_cases():
        name = one["use_case"]
        facts = state[name] = {"revision": one["revision"], "contract_digest": one["contract_digest"]}
        for release in registry.releases(name):
            facts.update(_release(release["sequence"], {**release, "time": release["released_at"]}))
        for word in registry.capacity(name):
            facts.update(_capacity(word["sequence"], {**word, "time": word["changed_at"]}))
        for entry in registry.ledger(name)["entries"]:
            if entry["kind"] == ModelRejected.topic:
                facts[f"rejection {entry['event_id']}"] = (entry["package_digest"], entry["text"])
    return state


def differences(rebuilt: State, said: State, use_case: str | None = None) -> list[str]:
    """Every fact in which the two states differ, in words; of one use case, when named."""
    lines = []
    for name in sorted(rebuilt.keys() | said.keys()):
        if use_case not in (None, name):
            continue
        ours, theirs = rebuilt.get(name, {}), said.get(name, {})
        for fact in sorted(ours.keys() | theirs.keys()):
            if ours.get(fact) != theirs.get(fact):
                lines.append(f"{name}, {fact}: its events say {_shown(ours, fact)}, it says {_shown(theirs, fact)}")
    return lines


def summary(state: State, use_case: str | None = None) -> str:
    """How much was compared."""
    facts = [fact for name, facts in state.items() if use_case in (None, name) for fact in facts]
    releases = sum(fact.startswith("release ") and fact.endswith(" package_digest") for fact in facts)
    cases, rejections = facts.count("revision"), sum(fact.startswith("rejection ") for fact in facts)
    words = sum(fact.startswith("capacity ") and fact.endswith(" limit") for fact in facts)
    return f"{cases} use cases, {releases} releases, {rejections} rejections, {words} changed capacities"


async def check(home: Path, registry: RegistryClient, use_case: str | None = None) -> tuple[str, list[str]]:
    """What was compared, and the differences; raises CommandError."""
    async with TopicReader(kafka_options(home), OWN) as reader:
        found = [event_in(record) async for record in reader.history()]
    said = said_by(registry)
    if use_case is not None and use_case not in said:
        raise CommandError(f"the registry knows no use case {use_case!r}")
    rebuilt = fold(event for event in found if isinstance(event, Event))
    return summary(rebuilt, use_case), differences(rebuilt, said, use_case)


def _release(sequence: int, told: Mapping[str, Any]) -> dict[str, Any]:
    facts = {f"release {sequence} {name}": told[name] for name in _RELEASE}
    return {**facts, f"release {sequence} time": datetime.fromisoformat(told["time"])}


def _capacity(sequence: int, told: Mapping[str, Any]) -> dict[str, Any]:
    facts = {f"capacity {sequence} {name}": told[name] for name in _CAPACITY}
    return {**facts, f"capacity {sequence} time": datetime.fromisoformat(told["time"])}


def _shown(facts: Mapping[str, Any], fact: str) -> str:
    return f"{facts[fact]!s:.200}" if fact in facts else "nothing"
