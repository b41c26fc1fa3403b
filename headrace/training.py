"""Asks for a training through Kafka, as any other service would, and follows it to its end."""

import asyncio
from datetime import datetime
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from headrace.errors import CommandError
from shared.events import MalformedEventError, TrainingFinished, TrainingRequested, from_record, to_record
from shared.spine.errors import TransientError
from shared.spine.kafka_fault import kafka_fault
from shared.spine.publisher import Publisher


class TrainingError(CommandError):
    """The request did not get through, or no answer came."""


async def ask_for_training(
    options: dict[str, Any], request: TrainingRequested, wait_seconds: float
) -> TrainingFinished | None:
    """Publish the request; with a positive wait return how it ended. Raises TrainingError."""
    publisher = Publisher(options, deadline_seconds=15.0)
    consumer = AIOKafkaConsumer(**options)
    try:
        await consumer.start()
        answers = TopicPartition(TrainingFinished.topic, 0)
        consumer.assign([answers])
        # Before the request goes out: its answer can only come after this position.
        await consumer.seek_to_end(answers)
        await publisher.send([to_record(request)])
        if wait_seconds <= 0:
            return None
        async with asyncio.timeout(wait_seconds):
            return await _answer_to(request, consumer)
    except TimeoutError as error:
        raise TrainingError(f"no answer within {wait_seconds:.0f} s; `headrace events` shows what happened") from error
    except (KafkaError, TransientError) as error:
        raise TrainingError(f"Kafka does not take the request: {await kafka_fault(options) or error}") from error
    finally:
        await consumer.stop()
        await publisher.stop()


async def _answer_to(request: TrainingRequested, consumer: AIOKafkaConsumer) -> TrainingFinished:
    async for record in consumer:
        try:
            event = from_record(TrainingFinished, record.value, record.headers)
        except MalformedEventError:
            continue
        if event.correlation_id == request.correlation_id:
            return event
    raise TrainingError("the connection to Kafka was closed before the answer came")


def training_request(use_case: str, reason: str, requested_by: str, now: datetime) -> TrainingRequested:
    """The event that a person's request becomes."""
    return TrainingRequested.begin(
        source="headrace/cli",
        time=now,
        use_case=use_case,
        reason=reason,
        requested_by=requested_by,
        kind_of_cause="person",
    )
