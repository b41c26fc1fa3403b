"""What led to an event, and what it led to: by causation ids, and by the release that an event speaks of. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from shared.events import DriftDetected, Event, ModelReleased, RollbackRequested

Relation = Literal["root", "led to", "about"]


@dataclass(frozen=True)
class Told:
    """One line of an explanation; `relation` says how it hangs on the line above it that is one step less deep."""

    event: Event
    depth: int
    relation: Relation
    asked: bool = False


class Causation:
    """All events that are known, by id; the first record of an id is the event, later ones repeat it."""

    def __init__(self, events: Iterable[Event]) -> None:
        self.events: dict[str, Event] = {}
        for event in events:
            self.events.setdefault(event.id, event)
        self._led_to: defaultdict[str, list[Event]] = defaultdict(list)
        self._releases: dict[tuple[str, int], Event] = {}
        for event in self.events.values():
            if event.causation_id:
                self._led_to[event.causation_id].append(event)
            if isinstance(event, ModelReleased):
                self._releases[event.use_case, event.sequence] = event
        self._about: defaultdict[str, list[Event]] = defaultdict(list)
        for event in self.events.values():
            if isinstance(event, RollbackRequested | DriftDetected) and (release := self.release_of(event)):
                self._about[release.id].append(event)

    def release_of(self, event: Event) -> Event | None:
        """The release that an event speaks of, by its sequence; a release speaks of none but itself."""
        if isinstance(event, ModelReleased):
            return None
        return self._releases.get((getattr(event, "use_case", ""), getattr(event, "release_sequence", None) or 0))

    def missing_causes(self, event_id: str) -> set[str]:
        """The causes on the way to the root that no known event bears."""
        told = self.explain(event_id)
        return {cause for one in told if (cause := one.event.causation_id) and cause not in self.events}

    def explain(self, event_id: str) -> list[Told]:
        """The way from the root to the event, then everything that it led to, in time order at each step.

        Where the root speaks of a release (a report of its value does), the way begins with what led to that release.
        Raises KeyError for an unknown id.
        """
        way = self._to_root(self.events[event_id])
        release = next(filter(None, map(self.release_of, way)), None)
        before = self._to_root(release) if release and release not in way else []
        lines = [Told(event, depth, "led to" if depth else "root") for depth, event in enumerate(before)]
        for step, event in enumerate(way):
            relation: Relation = "led to" if step else "about" if before else "root"
            lines.append(Told(event, len(lines), relation, asked=event.id == event_id))
        shown = {line.event.id for line in lines}
        return [*lines, *self._consequences(lines[-1].event, len(lines), shown)]

    def _to_root(self, event: Event) -> list[Event]:
        way = [event]
        # A stranger may have published a circle.
        while (cause := self.events.get(way[0].causation_id or "")) and cause not in way:
            way.insert(0, cause)
        return way

    def _consequences(self, event: Event, depth: int, shown: set[str]) -> Iterator[Told]:
        relations: list[tuple[Relation, list[Event]]] = [
            ("led to", self._led_to[event.id]),
            ("about", self._about[event.id]),
        ]
        following = [(one, relation) for relation, events in relations for one in events]
        for one, relation in sorted(following, key=lambda pair: (pair[0].time, pair[0].topic, pair[0].id)):
            if one.id not in shown:
                shown.add(one.id)
                yield Told(one, depth, relation)
                yield from self._consequences(one, depth + 1, shown)
