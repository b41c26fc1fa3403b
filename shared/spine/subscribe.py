"""The one place where a service subscribes to a topic: every footgun of the framework is set right here."""

import dataclasses
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from faststream import AckPolicy
from faststream.kafka import KafkaBroker, KafkaRouter
from faststream.kafka.message import KafkaMessage

from shared.events import Event, from_record, unknown_fields
from shared.spine import metrics
from shared.spine.error_policy import ErrorPolicy, ErrorPolicyMiddleware
from shared.spine.settings import FETCH_WAIT_MS, SpineSettings

Handler = TypeVar("Handler", bound=Callable[..., Awaitable[None]])


class ServiceRouter(KafkaRouter):
    """The subscriptions of one service replica; the service's name is the prefix of its consumer groups."""

    def __init__(self, service: str, instance: int = 0, session_seconds: float = 45.0) -> None:
        super().__init__()
        self.service, self.instance, self.session_seconds = service, instance, session_seconds

    @property
    def client_id(self) -> str:
        """By this Kafka tells the members of a group apart."""
        return f"headrace-{self.service}-{self.instance}"


def group_of(service: str, event: type[Event]) -> str:
    """The consumer group in which a service hears an event."""
    return f"{service}.{event.topic}"


def subscribe(router: ServiceRouter, event: type[Event], *, each_member: bool = False) -> Callable[[Handler], Handler]:
    """Subscribe a handler `async def on_<event>(event, …)` to the topic of an event.

    One consumer group per service and topic: a consumer that joins, leaves or stalls never pauses the other topics.
    With `each_member` every member of the service hears every event, in a group of its own.
    The member is static (instance number), so a restart at once takes its partitions back without a rebalance.
    The offset moves on only when the handler has returned, or the record's dead letter is acknowledged.
    """

    async def decode(message: KafkaMessage) -> Event:
        raw = message.raw_message
        decoded = from_record(event, raw.value, raw.headers)  # type: ignore[union-attr]
        if dropped := unknown_fields(decoded):
            metrics.SPINE_UNKNOWN_FIELDS_TOTAL.labels(event.topic).inc(dropped)
        return decoded

    def register(handler: Handler) -> Handler:
        group = group_of(router.service, event)
        # Member 0 has the plain name, with or without others.
        if each_member and router.instance:
            group += f".{router.instance}"
        router.subscriber(
            event.topic,
            group_id=group,
            group_instance_id=f"{group}.{router.instance}",
            session_timeout_ms=int(router.session_seconds * 1000),
            auto_offset_reset="earliest",
            fetch_max_wait_ms=FETCH_WAIT_MS,
            ack_policy=AckPolicy.NACK_ON_ERROR,
            no_reply=True,
            parser=tolerant,
            decoder=decode,
        )(handler)
        return handler

    return register


async def tolerant(record: Any, original: Callable[[Any], Awaitable[KafkaMessage]]) -> KafkaMessage:
    """Never raise on a sender's headers (null, not UTF-8): the parser runs outside every policy. Keep the bytes."""
    safe = tuple((name, (value or b"").decode("utf-8", "replace").encode()) for name, value in record.headers)
    message = await original(dataclasses.replace(record, headers=safe))
    message.raw_message = record
    message.reply_to = ""
    return message


def make_broker(settings: SpineSettings, router: ServiceRouter, policy: ErrorPolicy) -> KafkaBroker:
    """A consuming broker: publishing goes through outbox and relay."""
    options = settings.kafka_options()
    return KafkaBroker(
        options["bootstrap_servers"],
        security=_security(settings),
        consumer_only=True,
        allow_auto_create_topics=False,
        ack_policy=AckPolicy.NACK_ON_ERROR,
        middlewares=[lambda msg=None, **options: ErrorPolicyMiddleware(msg, policy=policy, **options)],
        routers=[router],
        logger=None,
        client_id=router.client_id,
    )


def _security(settings: SpineSettings) -> Any:
    from faststream.security import SASLPlaintext, SASLScram256, SASLScram512

    options = settings.kafka_options()
    if not settings.kafka_security_protocol.startswith("SASL"):
        if settings.kafka_security_protocol == "SSL":
            from faststream.security import BaseSecurity

            return BaseSecurity(ssl_context=options["ssl_context"], use_ssl=True)
        return None
    kind = {"PLAIN": SASLPlaintext, "SCRAM-SHA-256": SASLScram256, "SCRAM-SHA-512": SASLScram512}
    return kind[settings.kafka_sasl_mechanism](
        username=options["sasl_plain_username"],
        password=options["sasl_plain_password"],
        ssl_context=options.get("ssl_context"),
        use_ssl="ssl_context" in options,
    )
