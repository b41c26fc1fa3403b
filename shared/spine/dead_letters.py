"""Dead letters: what could not be processed, byte for byte, with the reason, on `<topic>.dead`."""

from typing import Any

from shared.events import Record
from shared.events.topics import DEAD_SUFFIX as SUFFIX
from shared.spine import metrics
from shared.spine.publisher import Publisher

__all__ = ["SUFFIX", "DeadLetters", "dead_letter"]


class DeadLetters:
    """Writes dead letters and returns once they are acknowledged, so that the offset moves on only then."""

    def __init__(self, publisher: Publisher, service: str) -> None:
        self._publisher = publisher
        self._service = service

    async def send(self, record: Any, reason: str, error: str = "") -> None:
        """Keep the record's key, value and headers as they were; say why and where it came from in `dead_` headers."""
        await self._publisher.send([dead_letter(record, reason, error, self._service)])
        metrics.SPINE_DEAD_LETTERS_TOTAL.labels(record.topic).inc()

    async def stop(self) -> None:
        """Close the producer."""
        await self._publisher.stop()


def dead_letter(record: Any, reason: str, error: str, service: str) -> Record:
    """The dead letter of a consumed record (anything with topic, partition, offset, key, value, headers)."""
    said = {
        "dead_reason": reason[:1000],
        "dead_error": error,
        "dead_service": service,
        "dead_topic": record.topic,
        "dead_partition": str(record.partition),
        "dead_offset": str(record.offset),
    }
    value = record.value
    if value is None and record.key is None:
        # The producer refuses a record with neither; the header tells the two kinds of empty apart.
        value, said["dead_null_value"] = b"", "true"
    headers = (*record.headers, *((name, text.encode("utf-8", "replace")) for name, text in said.items()))
    return Record(record.topic + SUFFIX, record.key, value, headers)
