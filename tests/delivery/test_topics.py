"""Topics on real Kafka are as the catalogue says, and none comes into being by accident."""

import asyncio

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from shared.events import CATALOGUE
from shared.events.topics import every_shape
from shared.spine.clock import wall_now
from shared.spine.settings import SpineSettings
from shared.spine.topics import configuration, provision
from tests.delivery.seen import NOW, ask, asked, everything

pytestmark = pytest.mark.kafka


async def test_every_topic_has_its_partitions_and_settings(kafka: str) -> None:
    options = SpineSettings(kafka=kafka).kafka_options()
    await provision(options)
    await provision(options)
    shapes = {shape.name: shape for shape in every_shape(CATALOGUE.values())}
    admin = AIOKafkaAdminClient(**options)
    await admin.start()
    try:
        described = {topic["topic"]: topic for topic in await admin.describe_topics(list(shapes))}
        resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in shapes]
        answers = [entry for answer in await admin.describe_configs(resources) for entry in answer.resources]
    finally:
        await admin.close()
    configs = {entry[3]: {item[0]: item[1] for item in entry[4]} for entry in answers}
    assert set(configs) == set(described) == set(shapes)
    for name, shape in shapes.items():
        assert len(described[name]["partitions"]) == shape.partitions, name
        wanted = configuration(shape)
        assert wanted["message.timestamp.type"] == "LogAppendTime"
        assert {key: configs[name][key] for key in wanted} == wanted, name


def test_the_history_of_the_system_is_kept_for_ever_in_one_order() -> None:
    shapes = {shape.name: shape for shape in every_shape(CATALOGUE.values())}
    for name, event in CATALOGUE.items():
        for_ever = shapes[name].retention_ms == shapes[name].retention_bytes == -1
        assert for_ever == (event.kind == "lifecycle"), name
        assert (shapes[name].partitions == 1) == (event.kind == "lifecycle"), name
        assert (shapes[name + ".dead"].partitions, shapes[name + ".dead"].retention_ms) == (1, -1)


async def test_a_record_is_stamped_when_kafka_takes_it_whatever_its_event_time(kafka: str) -> None:
    await provision(SpineSettings(kafka=kafka).kafka_options())
    before = wall_now().timestamp() * 1000 - 1000
    event = asked("an event of 2013")
    assert event.time == NOW
    await ask(kafka, event)
    (record,) = [r for r in await everything(kafka, event.topic) if dict(r.headers).get("ce_id") == event.id.encode()]
    assert record.timestamp_type == 1
    assert record.timestamp >= before


async def test_a_topic_that_nobody_made_is_never_created(kafka: str) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=kafka)
    await producer.start()
    consumer = AIOKafkaConsumer("nobody.made.this.either", bootstrap_servers=kafka)
    try:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(2):
                await producer.send_and_wait("nobody.made.this", b"x")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(2):
                await consumer.start()
    finally:
        await producer.stop()
        await consumer.stop()
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        assert not {"nobody.made.this", "nobody.made.this.either"} & set(await admin.list_topics())
    finally:
        await admin.close()
