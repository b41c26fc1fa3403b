"""Three kinds of error: wait and try again, dead letter at once, three tries and then dead."""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError
from pydantic import TypeAdapter, ValidationError
from sqlalchemy.exc import IntegrityError, OperationalError

from shared.events import MalformedEventError
from shared.spine import error_policy
from shared.spine.dead_letters import DeadLetters
from shared.spine.error_policy import BUGS_IN_A_ROW, ErrorPolicy, kind_of
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


@pytest.mark.parametrize(
    ("error", "kind"),
    [
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


async def test_twenty_bugs_in_a_row_stop_the_consumer_before_the_twentieth_record_is_lost(
    policy: ErrorPolicy, publisher: KeptPublisher
) -> None:
    async def broken() -> None:
        raise KeyError("bug")

    async def everything() -> None:
        while True:
            await policy.run(Consumed(), broken)

    task: asyncio.Task[None] = asyncio.create_task(everything())
    while not policy.stopped:
        await asyncio.wait([task], timeout=0.01)
    assert len(publisher.records) == BUGS_IN_A_ROW - 1
    assert "20 bugs in a row on model_trained" in policy.stopped
    await asyncio.wait([task], timeout=0.05)
    assert not task.done()
    assert len(publisher.records) == BUGS_IN_A_ROW - 1
    task.cancel()


async def test_one_success_between_bugs_lets_the_consumer_go_on(policy: ErrorPolicy, publisher: KeptPublisher) -> None:
    for _ in range(2):
        for _ in range(BUGS_IN_A_ROW - 1):
            await policy.run(Consumed(), failing(*[KeyError("bug")] * 3)[0])
        await policy.run(Consumed(), failing()[0])
    assert policy.stopped is None
    assert len(publisher.records) == 2 * (BUGS_IN_A_ROW - 1)


@pytest.mark.parametrize("empty", [b"", None])
async def test_a_record_with_neither_key_nor_value_makes_a_dead_letter_too(
    policy: ErrorPolicy, publisher: KeptPublisher, empty: Any
) -> None:
    await policy.run(Consumed(key=None, value=empty, headers=()), failing(PermanentError("x"))[0])
    (letter,) = publisher.records
    assert letter.value is not None
    assert ("dead_null_value" in dict(letter.headers)) == (empty is None)
