"""Asks the console for pages, and to try the way of notifications."""

from typing import Any

import httpx

from headrace.errors import CommandError
from headrace.run_info import RunInfo
from headrace.service_client import ServiceClient


class ConsoleError(CommandError):
    """The console refused, or cannot be reached."""


class ConsoleClient(ServiceClient):
    """The console of a running system; a context manager. All methods raise ConsoleError."""

    name, error = "console", ConsoleError

    def __init__(self, info: RunInfo, api_key: str = "", transport: httpx.BaseTransport | None = None) -> None:
        if "console" not in info.services:
            raise ConsoleError(f"no console runs under {info.home}: it is started by `headrace up`")
        super().__init__(info.services["console"].url, api_key, transport)

    def report(self, use_case: str, first: str | None = None, last: str | None = None) -> str:
        """The sponsor's page, as HTML."""
        days = {name: day for name, day in (("from", first), ("to", last)) if day}
        return self._ask("GET", f"/use_cases/{use_case}", params=days).text

    def try_notifications(self) -> list[dict[str, Any]]:
        """Send a test to every target; each with how that ended."""
        return list(self._ask("POST", "/v1/notifications/test").json())
