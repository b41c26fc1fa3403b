"""Waits until the trainer has taken in every contract that was applied before a request came."""

import asyncio
import logging
from typing import Any

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from shared.events import UseCaseApplied
from shared.spine.subscribe import group_of
from shared.spine.topics import ends_of

log = logging.getLogger(__name__)
_LOOK_SECONDS = 0.05
_PATIENCE_SECONDS = 15.0
_CONTRACTS = TopicPartition(UseCaseApplied.topic, 0)


class Hearing:
    """Compares the end of the contracts' topic with what this trainer's consumer group has handled of it.

    Topics have no order among each other: without this, a request made right after an `apply` could be decided under
    the contract before, or be declined because there is none. A consumer that stands still, or a Kafka that is away,
    holds a request up for `patience_seconds` and no longer: then it is decided under what is known.
    """

    def __init__(self, options: dict[str, Any], patience_seconds: float = _PATIENCE_SECONDS) -> None:
        self._options, self._patience = options, patience_seconds

    async def wait(self) -> None:
        """Return once every contract that lies in the topic now was handled, or patience has ended."""
        why = "contracts are still to be handled"
        try:
            async with asyncio.timeout(self._patience):
                while True:
                    try:
                        return await self._heard()
                    except (KafkaError, OSError) as error:
                        why = repr(error)[:300]
                    await asyncio.sleep(_LOOK_SECONDS)
        except TimeoutError:
            log.warning("deciding under the contracts known so far", extra={"why": why})

    async def _heard(self) -> None:
        end = (await ends_of(self._options, {UseCaseApplied.topic})).get(_CONTRACTS, 0)
        if not end:
            return
        admin = AIOKafkaAdminClient(**self._options)
        try:
            await admin.start()
            group = group_of("trainer", UseCaseApplied)
            while True:
                done = (await admin.list_consumer_group_offsets(group)).get(_CONTRACTS)
                if done is not None and done.offset >= end:
                    return
                await asyncio.sleep(_LOOK_SECONDS)
        finally:
            await admin.close()
