"""The embedded Kafka is a real one: it keeps data, survives a kill, and says what is wrong."""

import asyncio
import os
import shutil
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from headrace.embedded_kafka import EmbeddedKafka
from headrace.kafka_jars import EmbeddedKafkaError, StartCancelledError
from headrace.ports import is_free

pytestmark = pytest.mark.kafka


async def _create(bootstrap: str, topic: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        answer = await admin.create_topics([NewTopic(topic, num_partitions=1, replication_factor=1)])
        assert [code for _, code, *_ in answer.topic_errors] == [0]
    finally:
        await admin.close()


async def _send(bootstrap: str, topic: str, *values: bytes) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", enable_idempotence=True)
    await producer.start()
    try:
        for value in values:
            await producer.send_and_wait(topic, value)
    finally:
        await producer.stop()


async def _read(bootstrap: str, topic: str, count: int) -> list[bytes]:
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        async with asyncio.timeout(30):
            return [(await anext(consumer)).value for _ in range(count)]
    finally:
        await consumer.stop()


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_what_was_written_survives_a_stop_and_a_kill_on_the_same_address(kafka_node: EmbeddedKafka) -> None:
    first = kafka_node.start()
    await _create(first, "kept")
    await _send(first, "kept", b"before the stop")
    kafka_node.stop()
    second = kafka_node.start()
    await _send(second, "kept", b"before the kill")
    kafka_node.kill()
    third = kafka_node.start()
    assert await _read(third, "kept", 2) == [b"before the stop", b"before the kill"]
    assert first == second == third


def test_another_process_finds_the_old_port_and_a_clean_stop_leaves_nothing_behind(
    kafka_node: EmbeddedKafka, tmp_path: Path
) -> None:
    address = kafka_node.start()
    pid = kafka_node.pid
    assert pid is not None
    assert not is_free(int(address.rpartition(":")[2]))
    kafka_node.stop()
    assert kafka_node.pid is None
    assert not _exists(pid)
    assert is_free(int(address.rpartition(":")[2]))
    later = EmbeddedKafka(tmp_path / "kafka-node")
    try:
        assert later.start() == address
    finally:
        later.stop()


def test_a_second_broker_on_the_same_directory_is_refused_and_harms_nothing(
    kafka_node: EmbeddedKafka, tmp_path: Path
) -> None:
    kafka_node.start()
    with pytest.raises(EmbeddedKafkaError, match=f"Another process .{os.getpid()}. runs a Kafka on"):
        EmbeddedKafka(tmp_path / "kafka-node").start()
    assert kafka_node.pid is not None


def test_a_taken_port_is_named(kafka: str, tmp_path: Path) -> None:
    port = int(kafka.rpartition(":")[2])
    with pytest.raises(EmbeddedKafkaError, match=f"Port {port} on 127.0.0.1 is taken"):
        EmbeddedKafka(tmp_path, port).start()


def test_starting_twice_changes_nothing_and_stopping_twice_neither(kafka_node: EmbeddedKafka) -> None:
    address = kafka_node.start()
    pid = kafka_node.pid
    assert kafka_node.start() == address
    assert kafka_node.pid == pid
    kafka_node.stop()
    kafka_node.stop()


async def test_a_start_can_be_given_up_and_leaves_no_process(kafka_node: EmbeddedKafka) -> None:
    steps: list[str] = []

    def give_up_when_java_starts(step: str, _fraction: float | None) -> None:
        steps.append(step)
        if step == "Starting Apache Kafka":
            kafka_node.cancel_start()

    with pytest.raises(StartCancelledError):
        kafka_node.start(give_up_when_java_starts)
    assert kafka_node.pid is None
    assert "Starting Apache Kafka" in steps


async def test_topics_are_never_created_by_accident(kafka: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        await admin.describe_topics(["nobody_made_this"])
        assert "nobody_made_this" not in await admin.list_topics()
    finally:
        await admin.close()


def test_a_broken_data_directory_is_explained_with_the_end_of_the_log(
    kafka_node: EmbeddedKafka, tmp_path: Path
) -> None:
    kafka_node.start()
    kafka_node.stop()
    meta = tmp_path / "kafka-node" / "data" / "meta.properties"
    meta.write_text(meta.read_text().replace("node.id=1", "node.id=2"))
    with pytest.raises(EmbeddedKafkaError, match=r"Kafka did not start.*kafka\.log ends with:(?s:.*)node"):
        kafka_node.start()
    shutil.rmtree(tmp_path / "kafka-node")
