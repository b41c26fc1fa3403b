"""The shape of every topic on Kafka: partitions, how long it is kept, how large a record may be."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from shared.events.base import Event

DEAD_SUFFIX = ".dead"
DATA_PARTITIONS = 3
FOREVER = -1
MESSAGE_BYTES = 2 * 1024**2
# A dead letter carries the whole original, however large the topic lets it be, and the reason beside it.
DEAD_MESSAGE_BYTES = 3 * 1024**2
_WEEK_MS = 7 * 24 * 3600 * 1000


@dataclass(frozen=True)
class TopicShape:
    """One topic; `retention_ms` and `retention_bytes` are FOREVER when nothing is ever deleted."""

    name: str
    partitions: int
    retention_ms: int
    retention_bytes: int
    max_message_bytes: int


def shape_of(event: type[Event], data_partitions: int = DATA_PARTITIONS) -> TopicShape:
    """Lifecycle topics: one partition, kept for ever. Data topics: several partitions, a week."""
    if event.kind == "lifecycle":
        return TopicShape(event.topic, 1, FOREVER, FOREVER, MESSAGE_BYTES)
    return TopicShape(event.topic, data_partitions, _WEEK_MS, 4 * 1024**3, MESSAGE_BYTES)


def dead_shape_of(event: type[Event]) -> TopicShape:
    """What could not be processed is kept until a person has looked at it."""
    return TopicShape(event.topic + DEAD_SUFFIX, 1, FOREVER, FOREVER, DEAD_MESSAGE_BYTES)


def every_shape(events: Iterable[type[Event]], data_partitions: int = DATA_PARTITIONS) -> Iterator[TopicShape]:
    """Every topic of these events, and its dead-letter topic."""
    for event in events:
        yield shape_of(event, data_partitions)
        yield dead_shape_of(event)
