"""Decides whether the whole system is quiet: everything sent has had all its effects, and nothing is under way."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

import aiohttp
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from headrace.errors import CommandError
from shared.events import CATALOGUE, OutcomeRecorded, PredictionServed
from shared.spine.clock import monotonic
from shared.spine.topics import partitions_of

# The longer a thing takes the rarer it is asked for: a fit of ten seconds needs the cores that asking would take.
POLL_SECONDS, RAREST_SECONDS = 0.02, 0.25
# A follower may be behind on data topics until the clock moves: the tables take one commit per day of a replay.
MOVES_WITH_THE_CLOCK = frozenset({"unflushed", "table_lag"})
# How far the tables are with these their monitor says itself; all other topics are handled by a group of their own.
OF_THE_TABLES = frozenset((PredictionServed.topic, OutcomeRecorded.topic))
# What was released, and what is served: the other services' details are not asked for.
TELL_RELEASES = frozenset({"registry", "serving"})


class NotQuietError(CommandError):
    """The system did not come to rest in time; the message says what was still under way."""


@dataclass(frozen=True)
class Look:
    """One look at the system: what was still under way, and where every lifecycle topic ended."""

    busy: tuple[str, ...]
    ends: Mapping[TopicPartition, int]


class QuietWatch:
    """Looks from outside: the services' own status, and the offsets that Kafka keeps for their groups."""

    def __init__(self, options: dict[str, Any], services: Mapping[str, str]) -> None:
        self._options, self._services = options, services
        self._admin: AIOKafkaAdminClient | None = None
        self._consumer: AIOKafkaConsumer | None = None
        self._partitions: list[TopicPartition] = []
        self._caught_up: dict[str, Mapping[TopicPartition, int]] = {}
        self._rested: Look | None = None
        self._suspect: str | None = None
        self._ends_seen: Mapping[TopicPartition, int] = {}

    async def __aenter__(self) -> Self:
        self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5.0))
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self._http.close()
        await self._hang_up()

    async def wait(self, now: datetime | None = None, *, deadline_seconds: float = 600.0) -> None:
        """Return once two looks in a row find nothing under way and no new lifecycle event between them.

        The look that ended the last wait counts: whatever is done meanwhile leaves an event. With `now`, every clock
        must stand there and the tables must hold everything. Raises NotQuietError.
        """
        begun = monotonic()
        before = self._rested
        while True:
            look = await self._look(now)
            if not look.busy and before is not None and not before.busy and look.ends == before.ends:
                self._rested = look
                return
            waited = monotonic() - begun
            if waited > deadline_seconds:
                raise NotQuietError(f"still under way after {deadline_seconds:.0f} s: {', '.join(look.busy)}")
            # The second look follows at once: what it guards against is a record written during the first.
            if look.busy:
                await asyncio.sleep(min(max(POLL_SECONDS, waited / 20), RAREST_SECONDS))
            before = look

    async def _look(self, now: datetime | None) -> Look:
        try:
            if text := await self._still(now):
                return Look((text,), {})
            # Statuses first: what they say is done has its records below the ends read afterwards.
            said = await asyncio.gather(
                *(self._status(name, url, detail=name in TELL_RELEASES) for name, url in self._services.items())
            )
            ends = await self._ends()
            late = await self._behind(ends)
        except (KafkaError, OSError, aiohttp.ClientError, TimeoutError) as error:
            await self._hang_up()
            return Look((f"no answer: {error!r}",), {})
        busy = {status["service"]: _under_way(status, now) for status in said}
        self._suspect = next((name for name, texts in busy.items() if texts), next(iter(late), None))
        self._ends_seen = ends
        texts = (text for found in busy.values() for text in found)
        return Look((*texts, *_disagreements(said), *(f"{group} is behind" for group in late)), ends)

    async def _still(self, now: datetime | None) -> str | None:
        """What the last look found under way is asked for alone: while it is, nobody else need be asked."""
        suspect = self._suspect
        if suspect is None:
            return None
        if url := self._services.get(suspect):
            return next(iter(_under_way(await self._status(suspect, url, detail=False), now)), None)
        return f"{suspect} is behind" if await self._is_behind(suspect, self._ends_seen) else None

    async def _status(self, name: str, url: str, *, detail: bool) -> dict[str, Any]:
        wanted = {"detail": str(detail).lower()}
        async with self._http.get(f"{url}/v1/status", params=wanted, raise_for_status=True) as answer:
            status: dict[str, Any] = await answer.json()
        return {"service": name, **status}

    async def _ends(self) -> dict[TopicPartition, int]:
        if self._consumer is None:
            admin = AIOKafkaAdminClient(**self._options)
            await admin.start()
            self._admin = admin
            consumer = AIOKafkaConsumer(**self._options, group_id=None, enable_auto_commit=False)
            await consumer.start()
            self._consumer = consumer
            # Asked for, never assigned: behind the long poll of a fetch every answer would wait for half a second.
            topics = [topic for topic in CATALOGUE if topic not in OF_THE_TABLES]
            self._partitions = await partitions_of(self._options, topics)
        return dict(await self._consumer.end_offsets(self._partitions))

    async def _behind(self, ends: Mapping[TopicPartition, int]) -> list[str]:
        """Groups `<service>.<topic>` that have not handled their topic to its end."""
        assert self._admin is not None
        groups = [str(group) for group, *_ in await self._admin.list_consumer_groups()]
        return [group for group in groups if await self._is_behind(group, ends)]

    async def _is_behind(self, group: str, ends: Mapping[TopicPartition, int]) -> bool:
        topic = group.partition(".")[2]
        mine = {partition: end for partition, end in ends.items() if end and partition.topic == topic}
        if self._admin is None or not mine or self._caught_up.get(group) == mine:
            return False
        done = await self._admin.list_consumer_group_offsets(group)
        if any(partition not in done or done[partition].offset < end for partition, end in mine.items()):
            return True
        self._caught_up[group] = mine
        return False

    async def _hang_up(self) -> None:
        consumer, admin = self._consumer, self._admin
        self._consumer, self._admin, self._caught_up, self._suspect = None, None, {}, None
        self._rested = None
        if consumer:
            await consumer.stop()
        if admin:
            await admin.close()


def _under_way(status: Mapping[str, Any], now: datetime | None) -> list[str]:
    service = status["service"]
    if not status["ready"]:
        return [f"{service} is not ready"]
    busy = [
        f"{service} has {count} {name}"
        for name, count in status["pending"].items()
        if count and not (now is None and name in MOVES_WITH_THE_CLOCK)
    ]
    clock = status["clock"]
    if now is not None and (clock is None or datetime.fromisoformat(clock) != now):
        busy.append(f"{service} stands at {clock}")
    return busy


def _disagreements(said: list[dict[str, Any]]) -> list[str]:
    """Releases and capacities that the registry has made known and that some worker does not serve or obey yet."""
    detail = {status["service"]: status["detail"] for status in said}
    served, obeyed = detail["serving"]["releases"], detail["serving"].get("capacity_obeyed", {})
    busy = []
    for use_case, standing in detail["registry"]["use_cases"].items():
        release = standing["release"]
        if release and served.get(use_case) != release["sequence"]:
            busy.append(f"release {release['sequence']} of {use_case} is not active everywhere")
        if obeyed.get(use_case, 0) < standing.get("capacity_sequence", 0):
            busy.append(f"the capacity of {use_case} is not obeyed everywhere")
    return busy
