"""Fixtures for every test; a test that asks for `kafka` gets a real broker."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from headrace.embedded_kafka import EmbeddedKafka


def pytest_configure() -> None:
    """A shell lets what it starts in the background ignore Ctrl-C, and so would every process of these tests."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The bootstrap address of one real Apache Kafka for the whole test session; starts empty."""
    node = EmbeddedKafka(tmp_path_factory.mktemp("kafka"))
    try:
        yield node.start()
    finally:
        node.stop()


@pytest.fixture
def kafka_node(tmp_path: Path) -> Iterator[EmbeddedKafka]:
    """A broker for one test, which may start, stop and kill it; not started yet."""
    node = EmbeddedKafka(tmp_path / "kafka-node")
    try:
        yield node
    finally:
        node.stop()
