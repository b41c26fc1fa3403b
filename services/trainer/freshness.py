"""Waits until the feedback tables hold what lies in the data topics: a fit must not depend on when it was written."""

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError
from deltalake.exceptions import DeltaError

from shared.feedback.schema import TOPICS
from shared.feedback.table import FeedbackTable
from shared.spine.clock import monotonic
from shared.spine.topics import ends_of

log = logging.getLogger(__name__)
_LOOK_SECONDS = 0.05


class Freshness:
    """Compares the ends of both data topics with the offsets inside the tables.

    A replay waits as long as it takes (`patience_seconds` None). In production a monitor or a Kafka that is away holds
    a training up for so long and no longer: then it is fitted on what the tables hold.
    """

    def __init__(self, options: dict[str, Any], location: str, patience_seconds: float | None) -> None:
        self._options, self._patience = options, patience_seconds
        self._tables = {topic: FeedbackTable(location, name) for name, topic in TOPICS.items()}

    async def wait(self) -> None:
        """Return once everything that lies in the topics now is in the tables, or patience has ended."""
        deadline = None if self._patience is None else monotonic() + self._patience
        ends: dict[TopicPartition, int] | None = None
        while True:
            try:
                ends = ends if ends is not None else await ends_of(self._options, self._tables)
                if await asyncio.to_thread(self._hold, ends):
                    return
                why = "the tables are behind the topics"
            except (KafkaError, OSError, DeltaError) as error:
                why = repr(error)[:300]
            if deadline is not None and monotonic() > deadline:
                log.warning("training on what the tables hold", extra={"why": why})
                return
            await asyncio.sleep(_LOOK_SECONDS)

    def _hold(self, ends: Mapping[TopicPartition, int]) -> bool:
        wanted = {(one.topic, one.partition): end for one, end in ends.items() if end}
        held = {
            key: offset
            for topic, table in self._tables.items()
            for key, offset in table.offsets([one for one in wanted if one[0] == topic]).items()
        }
        return all(held.get(one, 0) >= end for one, end in wanted.items())
