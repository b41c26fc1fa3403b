"""Every variable that the console reads."""

import re
from datetime import time
from pathlib import Path

from pydantic import Field, SecretStr, field_validator

from shared.spine.settings import SpineSettings

_HOURS = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")


class ConsoleSettings(SpineSettings):
    """Prefix HEADRACE_, as everywhere."""

    console_host: str = "127.0.0.1"
    console_port: int = Field(default=7104, ge=1, le=65535)
    console_database_url: str = Field(default="", repr=False)
    console_notify_urls: SecretStr = Field(default=SecretStr(""), description="Apprise URLs, separated by spaces")
    console_notify_urls_file: Path | None = Field(default=None, description="the same in a file, one URL a line")
    console_quiet_hours: str = Field(default="", description="as 22:00-07:00, in the time zone of each contract")
    console_retry_seconds: float = Field(default=30.0, gt=0, description="first wait after a send that failed")
    console_attempts: int = Field(default=50, ge=1, description="sends that fail before a notice is given up")
    console_overdue_hours: int = Field(default=24, ge=1, description="a report this late is an incident")

    @field_validator("console_quiet_hours")
    @classmethod
    def _hours(cls, said: str) -> str:
        if said and not _HOURS.fullmatch(said):
            raise ValueError("must be two times of day such as 22:00-07:00, or empty")
        return said

    @property
    def database(self) -> str:
        """A file below the home by default; any SQLAlchemy async URL otherwise."""
        return self.database_url(self.console_database_url, "console")

    @property
    def notify_urls(self) -> tuple[str, ...]:
        """Where notifications go; secret, since the URLs hold passwords and tokens. SystemExit without the file."""
        lines = self.console_notify_urls.get_secret_value().split()
        if self.console_notify_urls_file is not None:
            try:
                text = self.console_notify_urls_file.read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError) as error:
                raise SystemExit(f"HEADRACE_CONSOLE_NOTIFY_URLS_FILE cannot be read: {type(error).__name__}") from None
            lines += [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
        return tuple(dict.fromkeys(lines))

    @property
    def quiet_hours(self) -> tuple[time, time] | None:
        """Beginning and end, which may lie on the next day; None: never quiet."""
        if not (found := _HOURS.fullmatch(self.console_quiet_hours)):
            return None
        first, last = time(int(found[1]), int(found[2])), time(int(found[3]), int(found[4]))
        return None if first == last else (first, last)
