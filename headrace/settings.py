"""Every variable the command itself reads; services read their own (see `services/<name>/settings.py`)."""

import os
from collections.abc import Mapping
from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

SERVICE_PORTS: Mapping[str, int] = {
    "registry": 7101,
    "trainer": 7102,
    "monitor": 7103,
    "console": 7104,
    "serving": 7100,
}


class CommandSettings(BaseSettings):
    """What `headrace …` needs to know before it can ask a running system."""

    model_config = SettingsConfigDict(env_prefix="HEADRACE_", frozen=True, extra="ignore", hide_input_in_errors=True)

    home: Path = Field(default=Path(".headrace"), description="where everything that runs keeps its state")
    kafka: str = Field(default="", description="bootstrap servers; empty starts an embedded Kafka")
    front: str = Field(default="", description="address of a system that somebody else started, such as containers")
    cache: Path = Field(default=Path.home() / ".cache" / "headrace", description="downloads shared by all homes")
    api_keys_file: Path | None = Field(default=None, description="the file that `headrace keys` works on")
    api_key: SecretStr = Field(default=SecretStr(""), description="sent as Bearer token to the services")
    start_deadline_seconds: float = 180.0
    stop_deadline_seconds: float = 10.0


def authorization() -> dict[str, str]:
    """The header that shows the command's API key to a service; empty without a key."""
    key = CommandSettings().api_key.get_secret_value()
    return {"authorization": f"Bearer {key}"} if key else {}


def inherited_environment() -> dict[str, str]:
    """The variables every child process starts from."""
    return dict(os.environ)
