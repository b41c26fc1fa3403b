"""Events for tests that do not care which."""

from collections.abc import Sequence
from datetime import UTC, datetime

from shared.events import Record, TrainingRequested
from shared.spine.errors import TransientError
from shared.spine.publisher import Publisher

NOW = datetime(2013, 3, 1, 5, tzinfo=UTC)


def asked(reason: str, use_case: str = "flights") -> TrainingRequested:
    """An event whose reason tells it apart."""
    return TrainingRequested.begin(source="test", time=NOW, use_case=use_case, reason=reason, requested_by="ada")


class KeptPublisher(Publisher):
    """Keeps what it is given, as Kafka would; refuses as often as it is told to."""

    def __init__(self) -> None:
        super().__init__({})
        self.records: list[Record] = []
        self.refusals = 0

    async def send(self, records: Sequence[Record]) -> None:
        """All or nothing."""
        if self.refusals:
            self.refusals -= 1
            raise TransientError("Kafka is away")
        self.records += records
