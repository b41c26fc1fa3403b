"""What Kafka says of consumer groups: how far they are, and who holds which partitions."""

import asyncio
from collections.abc import Collection
from contextlib import suppress
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.coordinator.protocol import ConsumerProtocol

from shared.spine.topics import described

_GOODBYE_SECONDS = 5.0


class GroupWatch:
    """Asks from outside, over connections of its own: a member that is stuck cannot say so.

    Connects when first asked. After an error `hang_up`, and ask again. Methods raise KafkaError.
    """

    def __init__(self, options: dict[str, Any]) -> None:
        self._options = options
        self._clients: tuple[AIOKafkaAdminClient, AIOKafkaConsumer] | None = None

    async def partitions(self, topics: Collection[str]) -> list[TopicPartition]:
        """Every partition of these topics."""
        admin, _ = await self._connected()
        return await described(admin, topics)

    async def firsts(self, partitions: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        """The offset of the oldest record that each partition still has."""
        _, probe = await self._connected()
        return dict(await probe.beginning_offsets(partitions))

    async def ends(self, partitions: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        """The offset that the next record of each partition will have."""
        _, probe = await self._connected()
        return dict(await probe.end_offsets(partitions))

    async def groups(self) -> list[str]:
        """Every group that Kafka knows."""
        admin, _ = await self._connected()
        return [str(group) for group, *_ in await admin.list_consumer_groups()]

    async def committed(self, group: str) -> dict[TopicPartition, int]:
        """The next offset of each partition of which the group has handled something."""
        admin, _ = await self._connected()
        return {of: said.offset for of, said in (await admin.list_consumer_group_offsets(group)).items()}

    async def holders(self, group: str) -> dict[TopicPartition, str]:
        """The client id of the member that holds each partition; empty while they are shared out anew."""
        admin, _ = await self._connected()
        (answer,) = await admin.describe_consumer_groups([group])
        (found,) = answer.to_object()["groups"]
        return {
            partition: member["client_id"]
            for member in found["members"]
            if member["member_assignment"]
            for partition in ConsumerProtocol.ASSIGNMENT.decode(member["member_assignment"]).partitions()
        }

    async def hang_up(self) -> None:
        """Close what is open."""
        clients, self._clients = self._clients, None
        if clients:
            admin, probe = clients
            for close in (probe.stop, admin.close):
                with suppress(Exception):
                    await asyncio.wait_for(close(), _GOODBYE_SECONDS)

    async def _connected(self) -> tuple[AIOKafkaAdminClient, AIOKafkaConsumer]:
        if self._clients is None:
            # The consumer is asked, never assigned: behind the long poll of a fetch every answer would have to wait.
            self._clients = (
                AIOKafkaAdminClient(**self._options),
                AIOKafkaConsumer(**self._options, group_id=None, enable_auto_commit=False),
            )
            for client in self._clients:
                await client.start()
        return self._clients
