"""A client may send so many requests a second and twice as many at once; others do not feel it."""

from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from shared.spine.auth import ApiKeys
from shared.spine.http import ThrottleMiddleware
from shared.spine.problems import Problem
from shared.spine.throttle import MOST_CLIENTS, Throttle


def refused(throttle: Throttle, client: str, now: float) -> dict[str, Any] | None:
    try:
        throttle.check(client, now)
    except Problem as problem:
        return problem.more
    return None


def test_a_burst_is_taken_and_then_the_rate_holds() -> None:
    throttle = Throttle(10)
    assert [refused(throttle, "ada", 0.0) for _ in range(20)] == [None] * 20
    assert refused(throttle, "ada", 0.0) == {"limit": 10, "retry_after_seconds": 1}
    assert refused(throttle, "bob", 0.0) is None
    taken = sum(refused(throttle, "ada", tick / 100) is None for tick in range(1, 1001))
    assert 99 <= taken <= 101


def test_what_is_refused_does_not_make_the_wait_longer() -> None:
    throttle = Throttle(1)
    for _ in range(1000):
        refused(throttle, "ada", 0.0)
    assert refused(throttle, "ada", 1.01) is None


def test_none_means_no_limit() -> None:
    throttle = Throttle(0)
    assert [refused(throttle, "ada", 0.0) for _ in range(1000)] == [None] * 1000


def test_clients_without_end_do_not_fill_the_memory() -> None:
    throttle = Throttle(1)
    for number in range(MOST_CLIENTS + 500):
        throttle.check(str(number), 0.0)
    assert len(throttle._full_at) == MOST_CLIENTS


@pytest.mark.parametrize("headers", [{}, {"x-forwarded-for": "10.0.0.9"}, {"authorization": "Bearer guess"}])
async def test_a_client_cannot_make_itself_another_by_a_header(headers: dict[str, str]) -> None:
    app = FastAPI()
    app.add_middleware(ThrottleMiddleware, throttle=Throttle(0.5), keys=ApiKeys(None))
    app.get("/look")(lambda: "seen")
    app.get("/healthz")(lambda: "alive")
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        assert (await client.get("/look")).status_code == 200
        answer = await client.get("/look", headers=headers)
        assert (answer.status_code, answer.headers["content-type"]) == (429, "application/problem+json")
        assert int(answer.headers["retry-after"]) == 2
        assert (await client.get("/healthz")).status_code == 200
