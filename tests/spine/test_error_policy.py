"""Three kinds of error: wait and try again, dead letter at once, three tries and then dead."""

import asyncio
import itertools
import sqlite3
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError
from asyncpg.exceptions import CannotConnectNowError
from prometheus_client import REGISTRY
from pydantic import TypeAdapter, ValidationError
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from shared.events import MalformedEventError
from shared.spine import error_policy
from shared.spine.dead_letters import DeadLetters
from shared.spine.error_policy import ErrorPolicy, kind_of
from shared.spine.errors import PermanentError, TransientError
from tests.spine.told import KeptPublisher

HEADERS = (("ce_id", b"\xff"), ("n", None), ("n", b"again"), ("reply_to", b"evil"))


@dataclass(frozen=True)
class Consumed:
    """A record as Kafka hands it over."""

    topic: str = "model_trained"
    partition: int = 2
    offset: int = 17
    key: bytes | None = b"k\xff"
    value: bytes | None = b"garbage\x00\xff"
    headers: tuple[tuple[str, bytes | None], ...] = HEADERS


@pytest.fixture
def publisher() -> KeptPublisher:
    """Where the dead letters go."""
    return KeptPublisher()


@pytest.fixture
def policy(publisher: KeptPublisher, monkeypatch: pytest.MonkeyPatch) -> ErrorPolicy:
    """The policy with waits of microseconds."""
    monkeypatch.setattr(error_policy, "FIRST_WAIT_SECONDS", 1e-6)
    monkeypatch.setattr(error_policy, "LONGEST_WAIT_SECONDS", 1e-5)
    return ErrorPolicy("registry", DeadLetters(publisher, "registry"))


def failing(*errors: Exception) -> tuple[Callable[[], Awaitable[None]], list[int]]:
    """A handler that fails in these ways, one after the other, and then works; and how often it was called."""
    calls: list[int] = []

    async def handle() -> None:
        calls.append(len(calls))
        if len(calls) <= len(errors):
            raise errors[len(calls) - 1]

    return handle, calls


def invalid() -> Exception:
    """An error of pydantic."""
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(int).validate_python("x")
    return caught.value


def of_postgres(code: str) -> Exception:
    """What PostgreSQL says with this SQLSTATE, as the driver hands it over: most codes have no class of their own."""
    said = Exception("x")
    said.sqlstate = code  # type: ignore[attr-defined]
    return DBAPIError("x", None, said)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        *((of_postgres(code), "transient") for code in ("08006", "25P03", "40001", "40P01", "53300", "55P03", "57P01")),
        *((of_postgres(code), "permanent") for code in ("22001", "22021")),
        *((of_postgres(code), "bug") for code in ("23505", "25006", "42601", "")),
        (CannotConnectNowError("starting"), "transient"),
        (PoolTimeoutError(), "transient"),
        (TransientError("x"), "transient"),
        (KafkaConnectionError(), "transient"),
        (OSError("disk"), "transient"),
        (TimeoutError(), "transient"),
        (ConnectionRefusedError(), "transient"),
        (sqlite3.OperationalError("database is locked"), "transient"),
        (OperationalError("x", None, Exception()), "transient"),
        (PermanentError("x"), "permanent"),
        (MalformedEventError("field", "x"), "permanent"),
        (UnicodeDecodeError("utf-8", b"", 0, 1, "x"), "permanent"),
        (invalid(), "permanent"),
        (IntegrityError("x", None, Exception()), "bug"),
        (KeyError("x"), "bug"),
        (ValueError("x"), "bug"),
        (RecursionError(), "bug"),
    ],
)
def test_errors_are_of_three_kinds(error: Exception, kind: str) -> None:
    assert kind_of(error) == kind


async def test_a_permanent_error_makes_a_dead_letter_at_once(policy: ErrorPolicy, publisher: KeptPublisher) -> None:
    handle, calls = failing(PermanentError("the package is not the one it says"))
    await policy.run(Consumed(), handle)
    assert len(calls) == 1
    (letter,) = publisher.records
    assert (letter.topic, letter.key, letter.value) == ("model_trained.dead", b"k\xff", b"garbage\x00\xff")
    headers: tuple[Any, ...] = letter.headers
    assert headers[: len(HEADERS)] == HEADERS
    assert dict(headers[len(HEADERS) :]) == {
        "dead_reason": b"permanent: the package is not the one it says",
        "dead_error": b"PermanentError",
        "dead_kind": b"permanent",
        "dead_service": b"registry",
        "dead_topic": b"model_trained",
        "dead_partition": b"2",
        "dead_offset": b"17",
    }


async def test_a_bug_gets_three_tries(policy: ErrorPolicy, publisher: KeptPublisher) -> None:
    handle, calls = failing(KeyError("a"), KeyError("b"))
    await policy.run(Consumed(), handle)
    assert (len(calls), publisher.records) == (3, [])
    handle, calls = failing(*[KeyError("a")] * 9)
    await policy.run(Consumed(), handle)
    assert (len(calls), len(publisher.records)) == (3, 1)


async def test_a_transient_error_is_tried_until_it_is_over(policy: ErrorPolicy, publisher: KeptPublisher) -> None:
    handle, calls = failing(*[TransientError("away")] * 50)
    await policy.run(Consumed(), handle)
    assert (len(calls), publisher.records) == (51, [])


async def test_transient_errors_do_not_use_up_the_tries_of_a_bug(policy: ErrorPolicy, publisher: KeptPublisher) -> None:
    away, bug = TransientError("away"), KeyError("bug")
    handle, calls = failing(bug, away, away, bug, away, away)
    await policy.run(Consumed(), handle)
    assert (len(calls), publisher.records) == (7, [])


async def test_after_all_patience_the_record_goes_back_to_kafka_and_is_not_dead(
    policy: ErrorPolicy, publisher: KeptPublisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(error_policy, "PATIENCE_SECONDS", 1e-4)
    handle, _ = failing(*[TransientError("away")] * 1000)
    with pytest.raises(TransientError):
        await policy.run(Consumed(), handle)
    assert publisher.records == []


async def test_a_dead_letter_that_kafka_does_not_take_keeps_the_record(
    policy: ErrorPolicy, publisher: KeptPublisher
) -> None:
    publisher.refusals = 1
    handle, _ = failing(*[PermanentError("x")] * 2)
    with pytest.raises(TransientError):
        await policy.run(Consumed(), handle)
    await policy.run(Consumed(), handle)
    assert len(publisher.records) == 1


async def broken() -> None:
    """A handler with a bug that hits everything."""
    raise KeyError("bug")


async def impossible() -> None:
    """A handler of a record that can never be read."""
    raise MalformedEventError("body", "is not JSON")


async def until_stopped(policy: ErrorPolicy, *handlers: Callable[[], Awaitable[None]]) -> "asyncio.Task[None]":
    """Handle one record after the other, in turns by these handlers, until the consumer has stopped."""

    async def everything() -> None:
        for offset, handle in enumerate(itertools.cycle(handlers)):
            await policy.run(Consumed(offset=offset), handle)

    task = asyncio.create_task(everything())
    while not policy.bugs.stopped:
        await asyncio.wait([task], timeout=0.01)
    return task


async def test_five_bugs_in_a_row_stop_the_consumer_before_the_fifth_record_is_lost(
    policy: ErrorPolicy, publisher: KeptPublisher, caplog: pytest.LogCaptureFixture
) -> None:
    task = await until_stopped(policy, broken)
    assert policy.bugs.stopped == {
        "model_trained": "the consumer of model_trained stopped after 5 bugs in a row: KeyError('bug')"
    }
    assert [r.levelname for r in caplog.records if r.message.startswith("consumer stopped")] == ["CRITICAL"]
    labels = {"service": "registry", "topic": "model_trained"}
    assert REGISTRY.get_sample_value("spine_consumer_stopped", labels) == 1
    await asyncio.wait([task], timeout=0.05)
    assert not task.done()
    assert [dict(letter.headers)["dead_offset"] for letter in publisher.records] == [b"0", b"1", b"2", b"3"]
    task.cancel()


async def test_malformed_records_never_stop_a_consumer(policy: ErrorPolicy, publisher: KeptPublisher) -> None:
    for offset in range(200):
        await policy.run(Consumed(offset=offset), impossible)
    assert policy.bugs.stopped == {}
    assert {dict(letter.headers)["dead_kind"] for letter in publisher.records} == {b"malformed"}
    assert len(publisher.records) == 200


async def test_malformed_records_between_bugs_do_not_hide_that_nothing_is_handled(
    policy: ErrorPolicy, publisher: KeptPublisher
) -> None:
    task = await until_stopped(policy, broken, impossible)
    kinds = [dict(letter.headers)["dead_kind"] for letter in publisher.records]
    assert (kinds.count(b"bug"), kinds.count(b"malformed")) == (4, 4)
    task.cancel()


async def test_one_success_between_bugs_lets_the_consumer_go_on(policy: ErrorPolicy, publisher: KeptPublisher) -> None:
    for offset in range(10):
        await policy.run(Consumed(offset=offset), broken if offset % 5 else failing()[0])
    assert policy.bugs.stopped == {}
    assert len(publisher.records) == 8


async def test_bugs_on_one_topic_do_not_stop_another(policy: ErrorPolicy) -> None:
    for offset in range(4):
        for topic in ("model_trained", "model_released"):
            await policy.run(Consumed(topic, offset=offset), broken)
    assert policy.bugs.stopped == {}


async def test_one_record_that_comes_again_and_again_is_still_one_bug(
    policy: ErrorPolicy, publisher: KeptPublisher
) -> None:
    publisher.refusals = 10
    for _ in range(10):
        with pytest.raises(TransientError):
            await policy.run(Consumed(), broken)
    await policy.run(Consumed(), broken)
    assert (policy.bugs.stopped, len(publisher.records)) == ({}, 1)


async def test_dead_letters_are_counted_by_service_topic_and_kind(policy: ErrorPolicy) -> None:
    def count(kind: str) -> float:
        labels = {"service": "registry", "topic": "kpi_reported", "kind": kind}
        return REGISTRY.get_sample_value("spine_dead_letters_total", labels) or 0

    before = [count(kind) for kind in ("malformed", "permanent", "bug")]
    for error in (MalformedEventError("body", "x"), PermanentError("x"), PermanentError("y"), KeyError("x")):
        await policy.run(Consumed("kpi_reported"), failing(*[error] * 3)[0])
    after = [count(kind) for kind in ("malformed", "permanent", "bug")]
    assert [now - then for now, then in zip(after, before, strict=True)] == [1, 2, 1]


@pytest.mark.parametrize("empty", [b"", None])
async def test_a_record_with_neither_key_nor_value_makes_a_dead_letter_too(
    policy: ErrorPolicy, publisher: KeptPublisher, empty: Any
) -> None:
    await policy.run(Consumed(key=None, value=empty, headers=()), failing(PermanentError("x"))[0])
    (letter,) = publisher.records
    assert letter.value is not None
    assert ("dead_null_value" in dict(letter.headers)) == (empty is None)
