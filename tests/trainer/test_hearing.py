"""A request is decided under the contracts that were applied before it, however the topics are read."""

import asyncio
import logging

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from headrace.embedded_kafka import EmbeddedKafka
from services.trainer.hearing import Hearing
from shared.events import UseCaseApplied, to_record
from shared.spine.topics import provision
from tests.delivery.seen import send
from tests.trainer.bench import applied


async def commit(address: str, offset: int) -> None:
    """What the trainer's consumer does once it has handled the records before this offset."""
    group = "trainer.use_case_applied"
    consumer = AIOKafkaConsumer(bootstrap_servers=address, group_id=group, enable_auto_commit=False)
    await consumer.start()
    partition = TopicPartition(UseCaseApplied.topic, 0)
    consumer.assign([partition])
    await consumer.commit({partition: offset})
    await consumer.stop()


@pytest.mark.kafka
async def test_it_waits_until_every_contract_in_the_topic_was_handled(
    kafka_node: EmbeddedKafka, caplog: pytest.LogCaptureFixture
) -> None:
    address = kafka_node.start()
    options = {"bootstrap_servers": address}
    await provision(options, data_partitions=1)
    hearing = Hearing(options, 60.0)
    await asyncio.wait_for(hearing.wait(), 30)
    await send(address, to_record(applied()))
    with caplog.at_level(logging.WARNING):
        await Hearing(options, 1.0).wait()
    assert "deciding under the contracts known so far" in caplog.text
    waiting = asyncio.create_task(hearing.wait())
    await commit(address, 1)
    await asyncio.wait_for(waiting, 30)
    await send(address, to_record(applied()))
    waiting = asyncio.create_task(hearing.wait())
    await commit(address, 2)
    await asyncio.wait_for(waiting, 30)


async def test_without_kafka_the_request_is_decided_when_patience_has_ended(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        await Hearing({"bootstrap_servers": "127.0.0.1:1"}, 0.0).wait()
    assert "deciding under the contracts known so far" in caplog.text
