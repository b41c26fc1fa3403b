"""Dead letters: what could not be processed, byte for byte, with the reason, on `<topic>.dead`."""

from typing import Any

from shared.events import Record
from shared.events.dead import DeadKind, Refusal, with_refusal
from shared.events.topics import DEAD_SUFFIX as SUFFIX
from shared.spine import metrics, points
from shared.spine.publisher import Publisher

__all__ = ["SUFFIX", "DeadLetters", "dead_letter"]


class DeadLetters:
    """Writes dead letters and returns once they are acknowledged, so that the offset moves on only then."""

    def __init__(self, publisher: Publisher, service: str) -> None:
        self._publisher = publisher
        self._service = service

    async def send(self, record: Any, reason: str, error: str = "", kind: DeadKind = "permanent") -> None:
        """Keep the record's key, value and headers as they were; say why and where it came from in `dead_` headers."""
        await self._publisher.send([dead_letter(record, reason, error, self._service, kind)])
        points.reached(points.AFTER_DEAD_LETTER_BEFORE_OFFSET)
        metrics.SPINE_DEAD_LETTERS_TOTAL.labels(self._service, record.topic, kind).inc()

    async def stop(self) -> None:
        """Close the producer."""
        await self._publisher.stop()


def dead_letter(record: Any, reason: str, error: str, service: str, kind: DeadKind = "permanent") -> Record:
    """The dead letter of a consumed record (anything with topic, partition, offset, key, value, headers)."""
    refusal = Refusal(reason, error, service, kind, record.topic, record.partition, record.offset)
    return with_refusal(record.key, record.value, record.headers, refusal)
