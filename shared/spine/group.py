"""Who holds which partitions of a consumer group, as Kafka sees it."""

from typing import Any

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.coordinator.protocol import ConsumerProtocol


async def holders(options: dict[str, Any], group: str) -> dict[TopicPartition, str]:
    """The client id of the member that holds each partition; empty while they are shared out anew.

    Raises KafkaError.
    """
    admin = AIOKafkaAdminClient(**options)
    try:
        await admin.start()
        (answer,) = await admin.describe_consumer_groups([group])
    finally:
        await admin.close()
    (described,) = answer.to_object()["groups"]
    return {
        partition: member["client_id"]
        for member in described["members"]
        if member["member_assignment"]
        for partition in ConsumerProtocol.ASSIGNMENT.decode(member["member_assignment"]).partitions()
    }
