"""Says in a sentence why Kafka cannot be reached: its clients keep the reason to their log, and say that it is away."""

import asyncio
import ssl
from typing import Any

from aiokafka.conn import collect_hosts, create_conn
from aiokafka.errors import KafkaConnectionError, KafkaError, SaslAuthenticationFailed, UnsupportedSaslMechanismError
from aiokafka.protocol.metadata import MetadataRequest

_PATIENCE_MS = 5_000


async def kafka_fault(options: dict[str, Any]) -> str | None:
    """What is wrong with the last of the bootstrap servers that was asked; None when one of them answers."""
    fault: str | None = None
    rest = {name: value for name, value in options.items() if name != "bootstrap_servers"}
    for host, port, _ in collect_hosts(options["bootstrap_servers"]):
        try:
            connection = await create_conn(host, port, request_timeout_ms=_PATIENCE_MS, **rest)
            try:
                # Without a login every broker tells its versions, and no more.
                await connection.send(MetadataRequest([]))
                return None
            finally:
                # A connection with TLS says goodbye before it is closed.
                await asyncio.wait([connection.close()], timeout=1)
        except (KafkaError, OSError, TimeoutError) as error:
            fault = _sentence(f"{host}:{port}", error, options)
    return fault


def _sentence(where: str, error: Exception, options: dict[str, Any]) -> str:
    """Without the user's name: whoever may ask whether a service is ready may read it."""
    match error:
        case SaslAuthenticationFailed():
            return (
                f"Kafka at {where} refuses the user or the password: see HEADRACE_KAFKA_SASL_USERNAME, "
                "HEADRACE_KAFKA_SASL_PASSWORD and HEADRACE_KAFKA_SASL_MECHANISM"
            )
        case UnsupportedSaslMechanismError():
            return f"Kafka at {where} does not offer {options['sasl_mechanism']}: see HEADRACE_KAFKA_SASL_MECHANISM"
        case ssl.SSLCertVerificationError():
            return (
                f"the certificate of Kafka at {where} is not trusted: {error.verify_message}; "
                "HEADRACE_KAFKA_SSL_CAFILE names its authority"
            )
        case ssl.SSLError() | ConnectionResetError() | KafkaConnectionError():
            return (
                f"Kafka at {where} ended the connection: does it speak {options['security_protocol']} there? "
                "See HEADRACE_KAFKA_SECURITY_PROTOCOL"
            )
        case _:
            return f"Kafka at {where} does not answer: {error or type(error).__name__}"
