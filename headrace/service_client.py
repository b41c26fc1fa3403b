"""Asks one service over its HTTP API; what goes wrong is one sentence."""

from types import TracebackType
from typing import Any, ClassVar, Self

import httpx

from headrace.errors import CommandError

_TIMEOUT_SECONDS = 120.0


class ServiceClient:
    """One service; a context manager. Subclasses say who it is, and which CommandError their methods raise."""

    name: ClassVar[str]
    error: ClassVar[type[CommandError]]

    def __init__(self, url: str, api_key: str = "", transport: httpx.BaseTransport | None = None) -> None:
        headers = {"authorization": f"Bearer {api_key}"} if api_key else {}
        self._http = httpx.Client(base_url=url, headers=headers, timeout=_TIMEOUT_SECONDS, transport=transport)

    def __enter__(self) -> Self:
        """Ready at once."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections."""
        self._http.close()

    def _ask(self, method: str, path: str, **request: Any) -> httpx.Response:
        try:
            answer = self._http.request(method, path, **request)
        except httpx.HTTPError as error:
            raise self.error(f"the {self.name} at {self._http.base_url} does not answer: {error}") from error
        if not answer.is_success:
            raise self.error(self._explain(answer))
        return answer

    def _explain(self, answer: httpx.Response) -> str:
        """The sentence for an answer that is not a success."""
        try:
            return f"the {self.name}: {answer.json()['detail']}"
        except (ValueError, KeyError, TypeError):
            return f"the {self.name} answered {answer.status_code}"
