"""Too many bugs in a row stop a consumer loudly: a bug that hits everything must not make dead letters of a topic."""

import logging
from typing import Any

from shared.spine import metrics
from shared.spine.errors import TransientError

log = logging.getLogger(__name__)


class ConsumerStoppedError(TransientError):
    """The consumer of a topic has stopped: its next record stays where it is until the service starts anew."""


class BugLimit:
    """Counts, for each topic of a service, how many messages in a row ended as a bug.

    A message that was handled begins anew. One that is malformed or impossible does neither: it says nothing about
    the code that stumbled over its neighbours.
    """

    def __init__(self, service: str, limit: int) -> None:
        self._service, self._limit = service, limit
        self._in_a_row: dict[str, set[tuple[int, int]]] = {}
        self.stopped: dict[str, str] = {}

    def handled(self, topic: str) -> None:
        """A message came to its end as it should."""
        self._in_a_row.pop(topic, None)

    def reached(self, record: Any, error: Exception) -> bool:
        """This record ended as a bug; True when it is one too many, and the consumer stops in front of it."""
        topic = record.topic
        # By place: a record that comes again because its dead letter was not taken is still one.
        in_a_row = self._in_a_row.setdefault(topic, set())
        in_a_row.add((record.partition, record.offset))
        if (count := len(in_a_row)) < self._limit:
            return False
        if topic not in self.stopped:
            self.stopped[topic] = f"the consumer of {topic} stopped after {count} bugs in a row: {error!r}"[:500]
            metrics.SPINE_CONSUMER_STOPPED.labels(self._service, topic).set(1)
            log.critical("consumer stopped; repair and restart the service", extra={"reason": self.stopped[topic]})
        return True

    def check(self, topic: str) -> None:
        """Raise ConsumerStoppedError when the consumer of this topic has stopped."""
        if topic in self.stopped:
            raise ConsumerStoppedError(self.stopped[topic])
