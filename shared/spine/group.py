"""What Kafka says of consumer groups: how far they are, and who holds which partitions."""

import asyncio
from collections.abc import Collection
from contextlib import suppress
from typing import Any, NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.coordinator.protocol import ConsumerProtocol

_GOODBYE_SECONDS = 5.0


class Bounds(NamedTuple):
    """The offset of the oldest record that a partition still has, and of its next."""

    first: int
    end: int


class GroupWatch:
    """Asks from outside, over connections of its own: a member that is stuck cannot say so.

    Connects when first asked. After an error `hang_up`, and ask again. Methods raise KafkaError.
    """

    def __init__(self, options: dict[str, Any]) -> None:
        self._options = options
        self._clients: tuple[AIOKafkaAdminClient, AIOKafkaConsumer] | None = None

    async def bounds(self, topics: Collection[str]) -> dict[TopicPartition, Bounds]:
        """Where every partition of these topics begins and ends."""
        admin, probe = await self._connected()
        described = await admin.describe_topics(sorted(topics))
        every = [TopicPartition(one["topic"], part["partition"]) for one in described for part in one["partitions"]]
        # Asked for, never assigned: nothing is fetched.
        firsts, ends = await probe.beginning_offsets(every), await probe.end_offsets(every)
        return {partition: Bounds(firsts[partition], ends[partition]) for partition in every}

    async def committed(self, group: str) -> dict[TopicPartition, int]:
        """The next offset of each partition of which the group has handled something."""
        admin, _ = await self._connected()
        return {of: said.offset for of, said in (await admin.list_consumer_group_offsets(group)).items()}

    async def holders(self, group: str) -> dict[TopicPartition, str]:
        """The client id of the member that holds each partition; empty while they are shared out anew."""
        admin, _ = await self._connected()
        (answer,) = await admin.describe_consumer_groups([group])
        (described,) = answer.to_object()["groups"]
        return {
            partition: member["client_id"]
            for member in described["members"]
            if member["member_assignment"]
            for partition in ConsumerProtocol.ASSIGNMENT.decode(member["member_assignment"]).partitions()
        }

    async def hang_up(self) -> None:
        """Close what is open."""
        clients, self._clients = self._clients, None
        if clients:
            admin, probe = clients
            for closing in (probe.stop(), admin.close()):
                with suppress(Exception):
                    await asyncio.wait_for(closing, _GOODBYE_SECONDS)

    async def _connected(self) -> tuple[AIOKafkaAdminClient, AIOKafkaConsumer]:
        if self._clients is None:
            self._clients = (
                AIOKafkaAdminClient(**self._options),
                AIOKafkaConsumer(**self._options, group_id=None, enable_auto_commit=False),
            )
            for client in self._clients:
                await client.start()
        return self._clients
