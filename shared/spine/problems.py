"""Errors over HTTP: RFC 9457 problem details that name the field and the limit."""

from typing import Any

MEDIA_TYPE = "application/problem+json"
TITLES = {
    400: "Bad request",
    401: "Who are you?",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    409: "Conflict",
    413: "Too large",
    415: "Unsupported media type",
    422: "Cannot be accepted",
    429: "Too many requests",
    500: "Error",
    503: "Not available now",
}


class Problem(Exception):  # noqa: N818  the word of RFC 9457
    """Answers the request with problem details; `more` holds members such as field, limit, allowed."""

    def __init__(self, status: int, detail: str, **more: Any) -> None:
        super().__init__(detail)
        self.status, self.detail, self.more = status, detail, more

    def document(self) -> dict[str, Any]:
        """The body."""
        title = TITLES.get(self.status, "Error")
        return {"type": "about:blank", "title": title, "status": self.status, "detail": self.detail, **self.more}


def headers_of(problem: Problem) -> dict[str, str]:
    """The headers that belong to a problem: how to say who you are, when to ask again."""
    if problem.status == 401:
        return {"WWW-Authenticate": "Bearer"}
    seconds = problem.more.get("retry_after_seconds")
    return {} if seconds is None else {"Retry-After": str(seconds)}
