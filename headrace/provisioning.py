"""Creates the topics of the catalogue on the Kafka that was started or named, from a program without an event loop."""

import asyncio
from threading import Event

from headrace.errors import CommandError
from shared.spine.errors import TransientError
from shared.spine.settings import SpineSettings

_DEADLINE_SECONDS = 30.0


class ProvisioningError(CommandError):
    """The topics could not be created; the message says why."""


def provision_topics(kafka: str, stopping: Event) -> None:
    """Create what is missing; gives up when `stopping` is set. Raises ProvisioningError."""
    from aiokafka.errors import KafkaError

    try:
        asyncio.run(_provision(SpineSettings(kafka=kafka), stopping))
    except (KafkaError, TransientError, TimeoutError, OSError) as error:
        raise ProvisioningError(f"the topics could not be created on Kafka at {kafka}: {error!r}") from error


async def _provision(settings: SpineSettings, stopping: Event) -> None:
    from shared.spine.topics import provision

    work = asyncio.create_task(
        provision(
            settings.kafka_options(),
            replication=settings.kafka_replication_factor,
            data_partitions=settings.kafka_data_partitions,
        )
    )
    async with asyncio.timeout(_DEADLINE_SECONDS):
        while not work.done():
            if stopping.is_set():
                work.cancel()
            await asyncio.wait({work}, timeout=0.05)
    if work.cancelled():
        raise ProvisioningError("the start was given up")
    work.result()
