"""Dead letters as an operator sees them: which there are, who refused them and why, and what became of them."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

from headrace.errors import CommandError
from headrace.record_lines import event_in, use_case_of
from headrace.topic_reader import TopicReader, appended_at, wanted_topics
from shared.events import Event, MalformedEventError, Record
from shared.events.dead import DeadLetterSettled, Refusal, settled_in, without_refusal
from shared.events.topics import DEAD_SUFFIX

State = Literal["open", "replayed", "discarded"]
_NAME = re.compile(r"([a-z0-9_]+\.dead)/(\d{1,9})/(\d{1,18})")


@dataclass(frozen=True)
class Letter:
    """One dead letter; without `refusal` and `original` it is a record that no consumer of ours has written."""

    record: Any
    original: Record | None = None
    refusal: Refusal | None = None
    settled: DeadLetterSettled | None = None

    @property
    def name(self) -> str:
        """Where it lies: `<topic>.dead/<partition>/<offset>`."""
        return f"{self.record.topic}/{self.record.partition}/{self.record.offset}"

    @property
    def topic(self) -> str:
        """The topic of its original."""
        return str(self.record.topic).removesuffix(DEAD_SUFFIX)

    @property
    def origin(self) -> object:
        """The original's place: several consumers may have refused the same record, each with a letter of its own."""
        return (self.refusal.topic, self.refusal.partition, self.refusal.offset) if self.refusal else self.name

    @property
    def state(self) -> State:
        """Open until somebody has dealt with it."""
        return self.settled.act if self.settled else "open"

    @property
    def kind(self) -> str:
        """Malformed, permanent or bug."""
        return self.refusal.kind if self.refusal else "unknown"

    @property
    def service(self) -> str:
        """Who refused it."""
        return self.refusal.service if self.refusal else "?"

    @property
    def reason(self) -> str:
        """Why, in the words of the error; the kind stands apart. Those of a bug are nothing without its class."""
        if self.refusal is None:
            return "no consumer's reason"
        words = re.sub(r"^(permanent|bug): ", "", self.refusal.reason)
        return f"{self.refusal.error}: {words}" if self.kind == "bug" else words

    @property
    def refused_at(self) -> datetime:
        """When Kafka took the letter."""
        return appended_at(self.record)

    @property
    def event(self) -> Event | MalformedEventError:
        """What the original says, or why nothing."""
        return event_in(self.record)

    @property
    def use_case(self) -> str | None:
        """The use case, by the event or else by the key."""
        return use_case_of(self.record, self.event)

    @property
    def event_id(self) -> str | None:
        """The original's id, where it has a usable one."""
        said = dict(self.record.headers).get("ce_id") or b""
        text = said.decode("utf-8", "replace")
        return text if 0 < len(text) <= 256 and "\0" not in text else None


@dataclass(frozen=True)
class Filter:
    """Which letters are asked for; None is no condition."""

    use_case: str | None = None
    service: str | None = None
    kind: str | None = None
    contains: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def takes(self, letter: Letter) -> bool:
        """Whether the letter meets all conditions; a service may be named by its consumer group too."""
        return (
            self.service in (None, letter.service, f"{letter.service}.{letter.topic}")
            and self.kind in (None, letter.kind)
            and (self.contains is None or self.contains.casefold() in letter.reason.casefold())
            and (self.since is None or self.since <= letter.refused_at)
            and (self.until is None or letter.refused_at < self.until)
            and (self.use_case is None or self.use_case == letter.use_case)
        )


@dataclass
class Summary:
    """How many letters a topic has, by state, and what the open ones are."""

    states: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    services: Counter[str] = field(default_factory=Counter)


def fold(records: Iterable[Any]) -> list[Letter]:
    """The letters of dead-letter topics, oldest first, each with the last thing that was said of it behind it."""
    letters: dict[str, Letter] = {}
    for record in records:
        if settled := settled_in(record.value, record.headers):
            known = letters.get(settled.letter)
            # Of a letter only its own topic tells.
            if known and known.record.topic == record.topic:
                letters[settled.letter] = replace(known, settled=settled)
            continue
        letter = _letter(record)
        letters[letter.name] = letter
    return list(letters.values())


def _letter(record: Any) -> Letter:
    found = without_refusal(record.key, record.value, record.headers)
    if found is None or found[1].topic + DEAD_SUFFIX != record.topic:
        return Letter(record)
    return Letter(record, *found)


async def read_letters(options: dict[str, Any], topics: set[str]) -> list[Letter]:
    """Every letter of these dead-letter topics up to now; raises CommandError."""
    async with TopicReader(options, topics) as reader:
        return fold([record async for record in reader.history()])


def dead_topics(pattern: str | None) -> set[str]:
    """The dead-letter topics of the topics that match; raises CommandError.

    >>> sorted(dead_topics("model_re*"))
    ['model_rejected.dead', 'model_released.dead']
    """
    return {name.removesuffix(DEAD_SUFFIX) + DEAD_SUFFIX for name in wanted_topics([pattern] if pattern else [])}


def topic_of(name: str) -> str:
    """The dead-letter topic of a letter's name; raises CommandError.

    >>> topic_of("model_trained.dead/0/17")
    'model_trained.dead'
    """
    match = _NAME.fullmatch(name)
    if match is None:
        raise CommandError(f"{name!r} is no name of a dead letter; one looks like model_trained.dead/0/17")
    wanted_topics([match[1]])
    return match[1]


def named(letters: Sequence[Letter], names: Sequence[str]) -> list[Letter]:
    """The letters with these names, in this order, each once; raises CommandError."""
    known = {letter.name: letter for letter in letters}
    wanted = list(dict.fromkeys(names))
    if missing := [name for name in wanted if name not in known]:
        raise CommandError(
            f"there is no dead letter {', '.join(missing)}; `headrace dead list --all` shows their names"
        )
    return [known[name] for name in wanted]


def without_effect(letters: Iterable[Letter]) -> list[Letter]:
    """One letter for each event that nobody has replayed: a crash may have sent event or letter twice."""
    by_event: dict[object, list[Letter]] = {}
    for letter in letters:
        by_event.setdefault(letter.event_id or letter.origin, []).append(letter)
    return [same[0] for same in by_event.values() if not any(letter.state == "replayed" for letter in same)]


def summarise(letters: Iterable[Letter]) -> dict[str, Summary]:
    """Topic -> its summary, for topics that have letters."""
    topics: dict[str, Summary] = {}
    for letter in letters:
        summary = topics.setdefault(letter.topic, Summary())
        summary.states[letter.state] += 1
        if letter.state == "open":
            summary.kinds[letter.kind] += 1
            summary.services[letter.service] += 1
    return dict(sorted(topics.items()))
