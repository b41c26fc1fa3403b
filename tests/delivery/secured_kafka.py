"""The embedded Kafka as an operator would run one: beside its own listener one with TLS, certificates and a login."""

import secrets
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from headrace.embedded_kafka import EmbeddedKafka
from headrace.ports import LOOPBACK, free_ports
from shared.spine.settings import SpineSettings
from tests.certificates import Authority

USER = "headrace"
_LISTENER = "listener.name.secured"
_LOGINS = "org.apache.kafka.common.security"


class SecuredKafka(EmbeddedKafka):
    """One broker whose second listener speaks SASL_SSL, and knows one user by SCRAM-SHA-512 and by PLAIN."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        (self._secured_port,) = free_ports(1)
        self.password = secrets.token_hex(16)
        self.authority = Authority(directory, "authority")
        self._store = self.authority.sign("broker", f"ip:{LOOPBACK}")

    @property
    def secured(self) -> str:
        """The bootstrap address of the second listener."""
        return f"{LOOPBACK}:{self._secured_port}"

    def settings(self, home: Path, **changes: Any) -> SpineSettings:
        """What the settings' page says is needed in production."""
        given: dict[str, Any] = {
            "home": home,
            "environment": "production",
            "kafka": self.secured,
            "kafka_security_protocol": "SASL_SSL",
            "kafka_sasl_username": USER,
            "kafka_sasl_password": self.password,
            "kafka_ssl_cafile": self.authority.certificate,
        }
        return SpineSettings.model_validate(given | changes)

    def _spawn(self, command: list[str]) -> "subprocess.Popen[bytes]":
        # The properties are written anew before each start; of a name that stands twice the last counts.
        with self._properties.open("a", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in self._second_listener())
        if "format" in command:
            command = [*command, "--add-scram", f"SCRAM-SHA-512=[name={USER},password={self.password}]"]
        return super()._spawn(command)

    def _second_listener(self) -> Iterable[str]:
        lines = self._properties.read_text(encoding="utf-8").splitlines()
        own = next(line.partition("=")[2] for line in lines if line.startswith("listeners="))
        if "SECURED" in own:
            return
        plain = own.partition(",")[0]
        yield f"listeners={own},SECURED://{self.secured}"
        yield f"advertised.listeners={plain},SECURED://{self.secured}"
        yield "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SECURED:SASL_SSL"
        yield f"{_LISTENER}.sasl.enabled.mechanisms=SCRAM-SHA-512,PLAIN"
        yield f"{_LISTENER}.scram-sha-512.sasl.jaas.config={_LOGINS}.scram.ScramLoginModule required;"
        login = f'{_LOGINS}.plain.PlainLoginModule required user_{USER}="{self.password}";'
        yield f"{_LISTENER}.plain.sasl.jaas.config={login}"
        yield f"{_LISTENER}.ssl.keystore.location={self._store}"
        yield f"{_LISTENER}.ssl.keystore.type=PKCS12"
        yield f"{_LISTENER}.ssl.keystore.password={self.authority.password}"
