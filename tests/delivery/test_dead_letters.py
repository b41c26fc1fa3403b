"""Dead letters by the thousand, replayed and repaired on real Kafka; and a bug that stops its consumer."""

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from headrace.dead_acts import carry_out, plan_replay
from headrace.dead_letters import Letter, read_letters
from headrace.embedded_kafka import EmbeddedKafka
from shared.events import Record, TrainingRequested, to_record
from shared.spine.app import Service
from shared.spine.settings import SpineSettings
from tests.delivery.seen import (
    NOW,
    TOPIC,
    asked,
    committed,
    end_of,
    following,
    is_ready,
    running,
    send,
    settings_for,
    take,
    until,
)
from tests.delivery.tiny_service import Effect, Points, tiny_service

pytestmark = pytest.mark.kafka
DEAD, ANSWERS = TOPIC + ".dead", "training_finished"
COUNT, REPAIRED = 2000, 60
BROKEN = (b"{not json", b"", b"[]", b'{"use_case": "flights"}', b'{"use_case": 1, "reason": "x", "requested_by": "a"}')


async def effects_by_id(service: Service) -> dict[str, int]:
    """Event id -> how often it had its effect."""
    async with service.db.read() as session:
        found = await session.execute(select(Effect.event_id, func.count()).group_by(Effect.event_id))
        return {row[0]: row[1] for row in found.all()}


async def until_handled(kafka: str, service: Service) -> None:
    """Return when the service has nothing more to do: its lag is 0."""

    async def no_lag() -> bool:
        return await committed(kafka, service.name) == await end_of(kafka, TOPIC)

    await until(no_lag)


async def replay(kafka: str, chosen: list[Letter], *, again: bool = False, **repaired: Any) -> None:
    """As `headrace dead replay` does it."""
    options = SpineSettings(kafka=kafka).kafka_options()
    plan = plan_replay(chosen, await read_letters(options, {DEAD}), repaired.get("bodies"), again)
    assert [planned.obstacle for planned in plan if planned.obstacle] == []
    await carry_out(options, plan, "replayed", "ada", "repaired", NOW)


async def letters(kafka: str) -> list[Letter]:
    """Every dead letter of the topic."""
    return await read_letters(SpineSettings(kafka=kafka).kafka_options(), {DEAD})


def mixed(good: Iterable[Record], bad: Iterable[Record]) -> list[Record]:
    """One of each in turn."""
    return [record for pair in zip(good, bad, strict=True) for record in pair]


async def test_2000_malformed_among_2000_good_and_a_repaired_subset_takes_effect_once(
    kafka_node: EmbeddedKafka, tmp_path: Path
) -> None:
    kafka = await asyncio.to_thread(kafka_node.start)
    service = tiny_service(settings_for(tmp_path, kafka))
    good, meant = [asked() for _ in range(COUNT)], [asked() for _ in range(COUNT)]
    bad = [Record(TOPIC, b"k", BROKEN[n % len(BROKEN)], to_record(event).headers) for n, event in enumerate(meant)]
    async with running(service) as client:
        await send(kafka, *mixed(map(to_record, good), bad))
        # Waits for the last answer on Kafka: asking the service again and again would take its time.
        async with following(kafka, ANSWERS) as answers:
            await take(answers, COUNT, lambda _: True, 240)
        await until_handled(kafka, service)
        assert await is_ready(client), "malformed records never stop a consumer"
        assert await effects_by_id(service) == {event.id: 1 for event in good}
        dead = await letters(kafka)
        assert [letter.original for letter in dead] == bad
        assert {(letter.kind, letter.service, letter.state) for letter in dead} == {("malformed", "tiny", "open")}

        chosen = dead[:REPAIRED]
        bodies = {letter.name: to_record(event).value for letter, event in zip(chosen, meant, strict=False)}
        for again in (False, True):
            await replay(kafka, chosen, again=again, bodies=bodies)
            await until_handled(kafka, service)
            assert await effects_by_id(service) == {event.id: 1 for event in (*good, *meant[:REPAIRED])}
        states = [letter.state for letter in await letters(kafka)]
        assert states == ["replayed"] * REPAIRED + ["open"] * (COUNT - REPAIRED)


class Bug(Points):
    """A handler that fails on every event of a use case, until it is repaired."""

    def __init__(self, use_case: str) -> None:
        self.use_case = use_case

    async def reach(self, point: str, event: TrainingRequested) -> None:
        """Fail before anything was done."""
        if event.use_case == self.use_case:
            raise KeyError("a bug of ours")


async def test_a_bug_that_hits_everything_stops_its_consumer_and_after_the_repair_nothing_is_lost(
    kafka_node: EmbeddedKafka, tmp_path: Path
) -> None:
    kafka = await asyncio.to_thread(kafka_node.start)
    settings = settings_for(tmp_path, kafka)
    events = [asked() for _ in range(9)]
    async with running(tiny_service(settings, Bug("flights"))) as client:
        await send(kafka, *map(to_record, events))

        async def stopped() -> bool:
            return not await is_ready(client)

        await until(stopped)
        (reason,) = (await client.get("/readyz")).json()["reasons"]
        assert reason.startswith(f"the consumer of {TOPIC} stopped after 5 bugs in a row: KeyError")
        metrics = (await client.get("/metrics")).text
        assert f'spine_consumer_stopped{{service="tiny",topic="{TOPIC}"}} 1.0' in metrics
        assert await committed(kafka, "tiny") == 4, "the fifth stays where it is"
    dead = await letters(kafka)
    assert [(letter.event_id, letter.kind) for letter in dead] == [(event.id, "bug") for event in events[:4]]
    repaired = tiny_service(settings)
    async with running(repaired):
        await until_handled(kafka, repaired)
        assert await effects_by_id(repaired) == {event.id: 1 for event in events[4:]}
        await replay(kafka, dead)
        await until_handled(kafka, repaired)
        assert await effects_by_id(repaired) == {event.id: 1 for event in events}
        assert {letter.state for letter in await letters(kafka)} == {"replayed"}


async def test_of_a_replayed_record_only_the_consumer_that_refused_it_takes_notice(
    kafka_node: EmbeddedKafka, tmp_path: Path
) -> None:
    kafka = await asyncio.to_thread(kafka_node.start)
    settings, bug = settings_for(tmp_path, kafka), Bug("parcels")
    accepting, refusing = tiny_service(settings, name="accepting"), tiny_service(settings, bug, name="refusing")
    fine, hit = asked(), asked(use_case="parcels")
    async with running(accepting), running(refusing):
        await send(kafka, to_record(fine), to_record(hit))
        for service in (accepting, refusing):
            await until_handled(kafka, service)
        assert (await effects_by_id(accepting), await effects_by_id(refusing)) == (
            {fine.id: 1, hit.id: 1},
            {fine.id: 1},
        )
        bug.use_case = "none any more"
        (letter,) = await letters(kafka)
        await replay(kafka, [letter])
        for service in (accepting, refusing):
            await until_handled(kafka, service)
            assert await effects_by_id(service) == {fine.id: 1, hit.id: 1}
