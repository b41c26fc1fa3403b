"""Fixtures for every test; a test that asks for `kafka` gets a real broker.

With `HEADRACE_CONTAINERS=1` that broker is Apache's image, and every database lies in PostgreSQL's
(`tests/containers.py`). A test that starts, stops or kills its broker asks for `kafka_node`, which is the embedded one
under both.
"""

import signal
from collections.abc import Generator, Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest

from headrace.embedded_kafka import EmbeddedKafka
from tests import containers


def pytest_configure() -> None:
    """A shell lets what it starts in the background ignore Ctrl-C, and so would every process of these tests."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With containers nothing is left out: a skip is a failure."""
    report = yield
    if containers.WANTED and report.skipped:
        report.outcome, report.longrepr = "failed", f"skipped although HEADRACE_CONTAINERS=1: {report.longrepr}"
    return report


@pytest.fixture(scope="session", autouse=True)
def _postgres() -> Iterator[None]:
    """One server for the whole test session, when containers are wanted."""
    with containers.postgres_container() if containers.WANTED else nullcontext():
        yield


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The bootstrap address of one real Apache Kafka for the whole test session; starts empty."""
    with containers.empty_kafka(tmp_path_factory.mktemp("kafka")) as address:
        yield address


@pytest.fixture
def kafka_node(tmp_path: Path) -> Iterator[EmbeddedKafka]:
    """A broker for one test, which may start, stop and kill it; not started yet."""
    node = EmbeddedKafka(tmp_path / "kafka-node")
    try:
        yield node
    finally:
        node.stop()
