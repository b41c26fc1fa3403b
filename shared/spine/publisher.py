"""One idempotent Kafka producer with deadlines of its own; a stuck one is closed hard and made anew."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from shared.events import Record
from shared.events.topics import DEAD_MESSAGE_BYTES
from shared.spine.errors import TransientError
from shared.spine.kafka_fault import kafka_fault

log = logging.getLogger(__name__)


class Publisher:
    """Sends records in order, `acks=all`. After a failure the next call starts a new producer."""

    def __init__(self, options: dict[str, Any], deadline_seconds: float = 30.0) -> None:
        self._options = options
        self._deadline = deadline_seconds
        self._producer: AIOKafkaProducer | None = None
        self._starting = asyncio.Lock()

    async def send(self, records: Sequence[Record]) -> None:
        """Send all and wait until all are acknowledged; raises TransientError after the deadline or a broken link.

        Records that were sent before a failure are sent again by whoever tries again: consumers drop repeats by id.
        """
        producer = await self._started()
        try:
            async with asyncio.timeout(self._deadline):
                sent = [
                    await producer.send(r.topic, value=r.value, key=r.key, headers=list(r.headers)) for r in records
                ]
                await asyncio.gather(*sent)
        except (KafkaError, TimeoutError) as error:
            await self._drop(producer)
            raise TransientError(f"Kafka did not take {len(records)} records: {error!r}") from error

    async def stop(self) -> None:
        """Flush and close, within a deadline."""
        if self._producer:
            await self._drop(self._producer)

    async def _started(self) -> AIOKafkaProducer:
        async with self._starting:
            if self._producer is None:
                producer = AIOKafkaProducer(
                    **self._options,
                    acks="all",
                    enable_idempotence=True,
                    linger_ms=0,
                    max_request_size=DEAD_MESSAGE_BYTES,
                )
                await self._start(producer)
                self._producer = producer
            return self._producer

    async def _start(self, producer: AIOKafkaProducer) -> None:
        # In a task of its own: aiokafka leaves a connection open when its start is cancelled at the wrong moment.
        starting = asyncio.create_task(producer.start())
        try:
            await asyncio.wait([starting], timeout=self._deadline)
            if not starting.done():
                raise TimeoutError(f"no answer in {self._deadline} s")
            starting.result()
        except (KafkaError, TimeoutError, OSError) as error:
            starting.cancel()
            await close_hard(producer)
            raise TransientError(await kafka_fault(self._options) or f"Kafka is away: {error!r}") from error
        except asyncio.CancelledError:
            # The service is ending: nobody else would close a producer that is only half started.
            await asyncio.wait([starting], timeout=5)
            starting.cancel()
            await close_hard(producer)
            raise

    async def _drop(self, producer: AIOKafkaProducer) -> None:
        if self._producer is producer:
            self._producer = None
        await close_hard(producer)


async def close_hard(producer: AIOKafkaProducer) -> None:
    """Stop a producer within 5 s, whatever the broker does.

    A producer whose broker went away by SIGTERM spins for ever and ignores `stop`; only closing its sender ends that
    (private name, hence the pin of aiokafka in pyproject.toml).
    """
    try:
        await asyncio.wait_for(producer.stop(), 5)
    except Exception:
        log.warning("producer closed hard")
        await producer._sender.close()
        await producer.client.close()
