"""Kafka and PostgreSQL in containers, for the tests that otherwise run on an embedded Kafka and on SQLite files.

`HEADRACE_CONTAINERS=1` is the one switch. It needs a Docker engine; what is missing then is a failure, never a skip.
"""

import asyncio
import hashlib
import os
import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import asyncpg
from sqlalchemy.engine import make_url

from headrace.embedded_kafka import EmbeddedKafka
from headrace.ports import free_ports

WANTED = os.environ.get("HEADRACE_CONTAINERS") == "1"
KAFKA_IMAGE, POSTGRES_IMAGE = "apache/kafka:4.3.0", "postgres:15"
# Handed on to the processes that tests start.
_SERVER = "HEADRACE_TEST_POSTGRES"


@contextmanager
def empty_kafka(folder: Path) -> Iterator[str]:
    """A broker that starts empty, in a container or embedded on a folder; gives its bootstrap address."""
    if WANTED:
        with kafka_container() as address:
            yield address
        return
    node = EmbeddedKafka(folder)
    try:
        yield node.start()
    finally:
        node.stop()


@contextmanager
def kafka_container() -> Iterator[str]:
    from testcontainers.core.container import DockerContainer
    from testcontainers.core.wait_strategies import LogMessageWaitStrategy

    # A broker tells its clients its own address: the published port must be known before it starts.
    (port,) = free_ports(1)
    container = DockerContainer(KAFKA_IMAGE).with_bind_ports(9092, port)
    container.with_envs(
        KAFKA_NODE_ID="1",
        KAFKA_PROCESS_ROLES="broker,controller",
        KAFKA_LISTENERS="PLAINTEXT://:9092,CONTROLLER://:9093",
        KAFKA_ADVERTISED_LISTENERS=f"PLAINTEXT://127.0.0.1:{port}",
        KAFKA_LISTENER_SECURITY_PROTOCOL_MAP="PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        KAFKA_CONTROLLER_LISTENER_NAMES="CONTROLLER",
        KAFKA_CONTROLLER_QUORUM_VOTERS="1@localhost:9093",
        # Headrace creates its topics itself; a broker that makes up others would hide it when it does not.
        KAFKA_AUTO_CREATE_TOPICS_ENABLE="false",
        KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS="4",
        KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR="1",
        KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR="1",
        KAFKA_TRANSACTION_STATE_LOG_MIN_ISR="1",
        KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS="0",
    )
    with container.waiting_for(LogMessageWaitStrategy("Kafka Server started").with_startup_timeout(60)):
        yield f"127.0.0.1:{port}"


@contextmanager
def postgres_container() -> Iterator[None]:
    """One server, in which `database_url` makes a database for each path."""
    from testcontainers.community.postgres import PostgresContainer

    password = secrets.token_hex(16)
    container = PostgresContainer(POSTGRES_IMAGE, username="headrace", password=password, driver="asyncpg")
    # No test pulls the plug of this machine.
    with container.with_command("postgres -c fsync=off") as container:
        os.environ[_SERVER] = container.get_connection_url(host="127.0.0.1")
        try:
            yield
        finally:
            del os.environ[_SERVER]


def database_url(file: Path) -> str:
    """The database that belongs to a path: the SQLite file itself, or one of that path's own in the container."""
    if not WANTED:
        return f"sqlite+aiosqlite:///{file.absolute()}"
    name = f"test_{hashlib.sha256(str(file.absolute()).encode()).hexdigest()[:24]}"
    server = make_url(os.environ[_SERVER])
    _create(server.set(drivername="postgresql").render_as_string(hide_password=False), name)
    return server.set(database=name).render_as_string(hide_password=False)


def database_variables(home: Path) -> dict[str, str]:
    """What tells services started as processes where their databases are."""
    names = ("registry", "trainer", "monitor", "console")
    return {f"HEADRACE_{name.upper()}_DATABASE_URL": database_url(home / name / f"{name}.db") for name in names}


@cache
def _create(server: str, name: str) -> None:
    async def create() -> None:
        connection = await asyncpg.connect(server)
        try:
            await connection.execute(f"CREATE DATABASE {name}")
        except asyncpg.DuplicateDatabaseError:
            # A process that the test started asks for the same one.
            pass
        finally:
            await connection.close()

    # In a thread, since the caller may run in an event loop of its own.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, create()).result()
