"""The settings that every service shares; the only place of the spine that reads the environment."""

import ssl
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import Field, FilePath, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

# How long Kafka holds a fetch that finds nothing; what comes ends it at once. Asked twice a second for each topic, as
# is usual, an idle system would keep Kafka busy with saying no.
FETCH_WAIT_MS = 3_000


class SpineSettings(BaseSettings):
    """Read from variables named HEADRACE_<field>."""

    # A mistake is told without what was given: beside it stand the secrets.
    model_config = SettingsConfigDict(env_prefix="HEADRACE_", extra="ignore", frozen=True, hide_input_in_errors=True)

    home: Path = Path(".headrace")
    environment: Literal["development", "production"] = "development"
    instance: int = Field(default=0, ge=0, le=9999, description="replica number; names the group member")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    seed: int = 0

    clock: Literal["wall", "replay"] = "wall"
    clock_step_seconds: float = Field(default=5.0, gt=0)

    packages_url: str = Field(default="", repr=False)
    feedback_url: str = Field(default="", repr=False)
    api_keys_file: Path | None = None
    database_password_file: FilePath | None = Field(default=None, description="goes into the service's database URL")
    requests_per_second: float = Field(default=200.0, ge=0, description="of one client, in one process; 0: no limit")

    kafka: str = "127.0.0.1:9092"
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    kafka_sasl_username: str = ""
    kafka_sasl_password: SecretStr = SecretStr("")
    kafka_sasl_password_file: FilePath | None = None
    kafka_ssl_cafile: FilePath | None = None
    kafka_replication_factor: int = Field(default=1, ge=1)
    kafka_data_partitions: int = Field(default=3, ge=1)
    kafka_session_seconds: float = Field(
        default=45.0, ge=1, description="silence after which a group gives a member's partitions to others"
    )

    bugs_in_a_row: int = Field(default=5, ge=1, description="messages of one topic before its consumer stops")
    chaos_directory: Path | None = Field(default=None, description="arms the points of shared/spine/points.py")
    watchdog_seconds: float = Field(default=300.0, gt=0, description="lag without progress before the service exits")

    @field_validator("kafka_ssl_cafile")
    @classmethod
    def _holds_certificates(cls, file: Path | None) -> Path | None:
        try:
            ssl.create_default_context(cafile=file)
        except ssl.SSLError as error:
            raise ValueError("holds no certificate in PEM form") from error
        return file

    @model_validator(mode="after")
    def _production_is_secure(self) -> "SpineSettings":
        wanted = {
            "HEADRACE_KAFKA_SECURITY_PROTOCOL=SASL_SSL": self.kafka_security_protocol == "SASL_SSL",
            "HEADRACE_KAFKA_SASL_USERNAME": bool(self.kafka_sasl_username),
            "HEADRACE_KAFKA_SASL_PASSWORD or HEADRACE_KAFKA_SASL_PASSWORD_FILE": bool(
                self._kafka_password.get_secret_value()
            ),
        }
        missing = [name for name, there in wanted.items() if not there]
        if self.environment == "production" and missing:
            raise ValueError(f"HEADRACE_ENVIRONMENT=production needs TLS and SASL to Kafka: set {', '.join(missing)}")
        if self.environment == "production" and self.chaos_directory is not None:
            raise ValueError(
                "HEADRACE_CHAOS_DIRECTORY ends processes on purpose: HEADRACE_ENVIRONMENT=production refuses it"
            )
        return self

    @property
    def packages_location(self) -> str:
        """Where packages are stored: an fsspec URL."""
        return self.packages_url or str((self.home / "packages").absolute())

    @property
    def feedback_location(self) -> str:
        """Where the two feedback tables lie."""
        return self.feedback_url or str((self.home / "feedback").absolute())

    def database_url(self, given: str, service: str) -> str:
        """The service's own database: a SQLite file below `home` unless another is given."""
        if not given:
            return f"sqlite+aiosqlite:///{(self.home / service / f'{service}.db').absolute()}"
        if self.database_password_file is None:
            return given
        # Serving reads these settings too, and has no database.
        from sqlalchemy.engine import make_url

        password = self.database_password_file.read_text(encoding="utf-8").strip()
        return make_url(given).set(password=password).render_as_string(hide_password=False)

    def kafka_options(self) -> dict[str, Any]:
        """Connection options for aiokafka clients."""
        options: dict[str, Any] = {
            "bootstrap_servers": self.kafka,
            "security_protocol": self.kafka_security_protocol,
        }
        if self.kafka_security_protocol.startswith("SASL"):
            options |= {
                "sasl_mechanism": self.kafka_sasl_mechanism,
                "sasl_plain_username": self.kafka_sasl_username,
                "sasl_plain_password": self._kafka_password.get_secret_value(),
            }
        if self.kafka_security_protocol.endswith("SSL"):
            options["ssl_context"] = ssl.create_default_context(cafile=self.kafka_ssl_cafile)
        return options

    @cached_property
    def _kafka_password(self) -> SecretStr:
        """Read once, so that all clients of a process show the same one."""
        if self.kafka_sasl_password_file is None:
            return self.kafka_sasl_password
        return SecretStr(self.kafka_sasl_password_file.read_text(encoding="utf-8").strip())


Kind = TypeVar("Kind", bound=SpineSettings)


def read_settings(kind: type[Kind]) -> Kind:
    """The settings of a process that starts; SystemExit names each variable that is wrong, and shows no value."""
    try:
        return kind()
    except ValidationError as error:
        mistakes = error.errors(include_url=False, include_input=False)
        lines = [f"{_variable(mistake['loc'])}{mistake['msg']}" for mistake in mistakes]
        raise SystemExit("\n".join(["refusing to start:", *lines])) from None


def _variable(place: tuple[int | str, ...]) -> str:
    return f"HEADRACE_{str(place[0]).upper()}: " if place else ""
