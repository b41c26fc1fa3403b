"""Asks the console for pages, and to try the way of notifications."""

from types import TracebackType
from typing import Any, Self

import httpx

from headrace.errors import CommandError
from headrace.run_info import RunInfo

_TIMEOUT_SECONDS = 120.0


class ConsoleError(CommandError):
    """The console refused, or cannot be reached."""


class ConsoleClient:
    """The console of a running system; a context manager. All methods raise ConsoleError."""

    def __init__(self, info: RunInfo, api_key: str = "", transport: httpx.BaseTransport | None = None) -> None:
        if "console" not in info.services:
            raise ConsoleError(f"no console runs under {info.home}: it is started by `headrace up`")
        headers = {"authorization": f"Bearer {api_key}"} if api_key else {}
        url = info.services["console"].url
        self._http = httpx.Client(base_url=url, headers=headers, timeout=_TIMEOUT_SECONDS, transport=transport)

    def __enter__(self) -> Self:
        """Ready at once."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections."""
        self._http.close()

    def report(self, use_case: str, first: str | None = None, last: str | None = None) -> str:
        """The sponsor's page, as HTML."""
        days = {name: day for name, day in (("from", first), ("to", last)) if day}
        return self._ask("GET", f"/use_cases/{use_case}", params=days).text

    def try_notifications(self) -> list[dict[str, Any]]:
        """Send a test to every target; each with how that ended."""
        return list(self._ask("POST", "/v1/notifications/test").json())

    def _ask(self, method: str, path: str, **request: Any) -> httpx.Response:
        try:
            answer = self._http.request(method, path, **request)
        except httpx.HTTPError as error:
            raise ConsoleError(f"the console at {self._http.base_url} does not answer: {error}") from error
        if not answer.is_success:
            raise ConsoleError(_explain(answer))
        return answer


def _explain(answer: httpx.Response) -> str:
    try:
        return f"the console: {answer.json()['detail']}"
    except (ValueError, KeyError, TypeError):
        return f"the console answered {answer.status_code}"
