"""Garbage between good events, on real Kafka: dead letters byte for byte, nothing blocked, nothing lost."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import MessageSizeTooLargeError

from shared.events import Record, to_record
from shared.events.dead import DeadKind
from shared.events.records import MAX_BYTES
from shared.events.topics import DEAD_MESSAGE_BYTES, MESSAGE_BYTES
from shared.spine.dead_letters import DeadLetters
from tests.delivery.seen import (
    TOPIC,
    ask,
    asked,
    committed,
    end_of,
    everything,
    following,
    running,
    send,
    settings_for,
    take,
    until,
)
from tests.delivery.tiny_service import effects, tiny_service

pytestmark = pytest.mark.kafka
GOOD = to_record(asked())


def with_headers(**changed: bytes | None) -> Any:
    """The headers of a good event, some of them changed or added."""
    return tuple({**dict(GOOD.headers), **changed}.items())


BAD: dict[str, tuple[bytes | None, bytes | None, Any]] = {
    "garbage": (b"k", b"\x00\xff garbage", GOOD.headers),
    "a tombstone": (b"k", None, GOOD.headers),
    "no headers": (b"k", GOOD.value, ()),
    "nothing at all": (None, b"", ()),
    "a null attribute": (b"k", GOOD.value, with_headers(ce_id=None)),
    "an attribute that is not UTF-8": (b"\xff\xfe", GOOD.value, with_headers(ce_id=b"\xff\xfe")),
    "another type": (b"k", GOOD.value, with_headers(ce_type=b"model_released")),
    "1 MiB + 1": (b"k", b"{" + b" " * (MAX_BYTES - 1) + b"}", GOOD.headers),
    "as large as the topic takes": (b"k", b"x" * (MESSAGE_BYTES - 1000), GOOD.headers),
    "the same header twice": (b"k", GOOD.value, (*GOOD.headers, ("ce_id", b"another"), ("n", None), ("n", b""))),
    "a dead letter of a stranger": (b"k", b"{}", with_headers(dead_reason=b"mine", dead_topic=b"elsewhere")),
    "1e999": (b"k", GOOD.value.replace(b'"x"', b"1e999"), GOOD.headers),
    "not UTF-8": (b"k", GOOD.value.replace(b'"x"', b'"\xff"'), GOOD.headers),
    "deep nesting": (b"k", b'{"use_case": ' + b"[" * 5000 + b"]" * 5000 + b"}", GOOD.headers),
}


async def test_garbage_between_good_events_is_kept_byte_for_byte_and_blocks_nothing(kafka: str, tmp_path: Path) -> None:
    name = "garbage"
    service = tiny_service(settings_for(tmp_path, kafka), name=name)
    async with running(service):
        first, last = asked(), asked()
        bad = [Record(TOPIC, key, value, headers) for key, value, headers in BAD.values()]  # type: ignore[arg-type]
        begins = await end_of(kafka, TOPIC)
        await send(kafka, to_record(first), *bad, to_record(last))

        async def done() -> bool:
            return await effects(service.db, last.id) == 1 and await committed(kafka, name) == begins + len(bad) + 2

        await until(done)
        assert await effects(service.db, first.id) == 1
    dead = [r for r in await everything(kafka, TOPIC + ".dead") if ("dead_service", name.encode()) in r.headers]
    ours = {int(dict(letter.headers)["dead_offset"]): letter for letter in dead}
    for offset, record in enumerate(bad, begins + 1):
        letter = ours[offset]
        assert (letter.key, letter.value) == (record.key, record.value)
        assert letter.headers[: len(record.headers)] == record.headers
        said = dict(letter.headers[len(record.headers) :])
        assert said["dead_reason"].startswith(b"permanent: ")
        assert (said["dead_topic"], said["dead_partition"]) == (TOPIC.encode(), b"0")


async def test_the_offset_moves_on_only_when_the_dead_letter_is_on_kafka(kafka: str, tmp_path: Path) -> None:
    held, let_go = asyncio.Event(), asyncio.Event()

    class Held(DeadLetters):
        """Waits before the letter goes out."""

        async def send(self, record: Any, reason: str, error: str = "", kind: DeadKind = "permanent") -> None:
            held.set()
            await let_go.wait()
            await super().send(record, reason, error, kind)

    service = tiny_service(settings_for(tmp_path, kafka), name="held")
    let_go.set()
    service.policy.dead_letters = Held(service.publisher, "held")
    async with running(service):
        good, impossible = asked(), asked("impossible")
        await ask(kafka, good)
        await until(lambda: one_effect(service, good.id))
        end = await end_of(kafka, TOPIC)
        await until(lambda: reached(kafka, "held", end))
        let_go.clear()
        held.clear()
        await ask(kafka, impossible)
        await asyncio.wait_for(held.wait(), 30)
        assert await committed(kafka, "held") == end
        let_go.set()
        await until(lambda: reached(kafka, "held", end + 1))


async def one_effect(service: Any, event_id: str) -> bool:
    """Whether an event has had its effect."""
    return await effects(service.db, event_id) == 1


async def reached(kafka: str, name: str, offset: int) -> bool:
    """Whether a group has committed up to here."""
    return await committed(kafka, name) == offset


async def test_a_senders_reply_to_is_never_honoured(kafka: str, tmp_path: Path) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    await admin.create_topics([NewTopic("stranger", num_partitions=1, replication_factor=1)])
    await admin.close()
    service = tiny_service(settings_for(tmp_path, kafka), name="replies")
    async with running(service):
        event, last = asked(), asked()
        record = to_record(event)
        headers = (*record.headers, ("reply_to", b"stranger"), ("correlation_id", b"stranger"))
        await send(kafka, Record(TOPIC, record.key, record.value, headers), to_record(last))
        await until(lambda: one_effect(service, last.id))
        assert await effects(service.db, event.id) == 1
    assert await end_of(kafka, "stranger") == 0


async def test_null_and_odd_headers_beside_ours_do_no_harm(kafka: str, tmp_path: Path) -> None:
    service = tiny_service(settings_for(tmp_path, kafka), name="odd")
    async with running(service):
        event = asked()
        record = to_record(event)
        odd: Any = (*record.headers, ("trace", None), ("x", b"\xff\xfe"), ("content-length", b"\x00"), ("", b""))
        await send(kafka, Record(TOPIC, record.key, record.value, odd))
        await until(lambda: one_effect(service, event.id))


async def test_the_same_event_twice_has_one_effect_and_one_answer(kafka: str, tmp_path: Path) -> None:
    service = tiny_service(settings_for(tmp_path, kafka), name="twice")
    async with running(service):
        event, last = asked(), asked()
        await ask(kafka, event, event, event, last)
        async with following(kafka, "training_finished") as answers:
            mine = {event.id.encode(), last.id.encode()}
            found = await take(
                answers,
                2,
                lambda r: dict(r.headers)["ce_source"] == b"twice/0" and dict(r.headers)["ce_causationid"] in mine,
            )
        assert [dict(r.headers)["ce_causationid"] for r in found] == [event.id.encode(), last.id.encode()]
        assert await effects(service.db, event.id) == 1


async def test_kafka_itself_refuses_what_no_dead_letter_could_hold(kafka: str, tmp_path: Path) -> None:
    from aiokafka import AIOKafkaProducer

    service = tiny_service(settings_for(tmp_path, kafka), name="toolarge")
    async with running(service):
        producer = AIOKafkaProducer(bootstrap_servers=kafka, max_request_size=2**27, compression_type="gzip")
        await producer.start()
        try:
            # Small on the wire, too large for its dead letter once a consumer has unpacked it.
            with pytest.raises(MessageSizeTooLargeError):
                await producer.send_and_wait(TOPIC, b"\0" * (DEAD_MESSAGE_BYTES + 1), key=b"k")
        finally:
            await producer.stop()
