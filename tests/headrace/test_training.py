"""A person's request for a training goes through Kafka, and its end comes back."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from headrace.training import TrainingError, ask_for_training, training_request
from shared.events import TrainingFinished, TrainingRequested, from_record, to_record
from shared.spine.publisher import Publisher
from shared.spine.topics import provision

pytestmark = pytest.mark.kafka
NOW = datetime(2013, 3, 1, 5, tzinfo=UTC)


def _finished(request: TrainingRequested, reason: str) -> TrainingFinished:
    return TrainingFinished.follow(
        request,
        "end",
        source="trainer",
        time=NOW,
        use_case=request.use_case,
        run_id="1",
        outcome="trained",
        reason=reason,
    )


async def _answer(options: dict[str, Any], use_case: str) -> None:
    """A trainer that answers another request, writes nonsense, and then answers the one for `use_case`."""
    consumer = AIOKafkaConsumer(TrainingRequested.topic, auto_offset_reset="earliest", **options)
    producer = AIOKafkaProducer(**options)
    publisher = Publisher(options)
    await consumer.start()
    await producer.start()
    try:
        async for record in consumer:
            # Other tests leave garbage on this broker's topics.
            if record.key == use_case.encode():
                break
        request = from_record(TrainingRequested, record.value, record.headers)
        await producer.send_and_wait(TrainingFinished.topic, b"nonsense")
        other = training_request(use_case, "somebody else's", "other", NOW)
        await publisher.send([to_record(_finished(other, "not this one")), to_record(_finished(request, "this one"))])
    finally:
        await consumer.stop()
        await producer.stop()
        await publisher.stop()


async def test_the_answer_to_this_request_is_found_among_others(kafka: str) -> None:
    options = {"bootstrap_servers": kafka}
    await provision(options)
    request = training_request("answered", "new data", "operator", NOW)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_answer(options, "answered"))
        finished = await ask_for_training(options, request, wait_seconds=60)
    assert finished is not None
    assert (finished.reason, finished.causation_id) == ("this one", request.id)


async def test_without_waiting_the_request_is_on_its_topic_when_the_command_returns(kafka: str) -> None:
    options = {"bootstrap_servers": kafka}
    await provision(options)
    request = training_request("unanswered", "new data", "operator", NOW)
    assert await ask_for_training(options, request, wait_seconds=0) is None
    consumer = AIOKafkaConsumer(TrainingRequested.topic, auto_offset_reset="earliest", **options)
    await consumer.start()
    try:
        async with asyncio.timeout(30):
            async for record in consumer:
                if record.key == b"unanswered":
                    break
    finally:
        await consumer.stop()
    assert from_record(TrainingRequested, record.value, record.headers) == request


async def test_an_answer_that_never_comes_ends_with_a_sentence(kafka: str) -> None:
    options = {"bootstrap_servers": kafka}
    await provision(options)
    request = training_request("forgotten", "new data", "operator", NOW)
    with pytest.raises(TrainingError, match="no answer within 1 s"):
        await ask_for_training(options, request, wait_seconds=1)


async def test_a_kafka_that_is_away_is_a_sentence_too() -> None:
    request = training_request("nowhere", "new data", "operator", NOW)
    with pytest.raises(TrainingError, match="Kafka does not take the request"):
        await ask_for_training({"bootstrap_servers": "127.0.0.1:9"}, request, wait_seconds=0)
