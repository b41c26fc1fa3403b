"""Two hosts as they really run, each with a home of its own: together they give the contract's limit and no more."""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from shared.events import PredictionServed, from_record
from shared.package import PackageStore
from tests.serving.conftest import Running, producer, read_all
from tests.serving.toy import applied, contract, make_toy

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(300)]

LIMIT, REQUESTS, BLOCK = 21, 60, "2013-03-01"
UNDER = contract(("use_case: trains", "use_case: two_hosts"), ("limit: 20", f"limit: {LIMIT}"))


def _serves(status: dict[str, Any]) -> bool:
    return bool(status["ready"] and status["detail"]["releases"].get("two_hosts") == 1)


async def _ask(running: Running, name: str, hour: int) -> str:
    asked = {"request_id": name, "record": {"size": 0.2, "left_at": f"{BLOCK}T{hour:02}:00:00Z"}}
    async with httpx.AsyncClient(base_url=running.url, timeout=20) as client:
        answer = await client.post("/v1/two_hosts/predict", json=asked)
        answer.raise_for_status()
        return str(answer.json()["predictions"][0]["decision"])


async def _review(running: Running) -> dict[str, int]:
    status = await running.until(lambda each: each["detail"]["capacity"].get("two_hosts", {}) != {})
    found: dict[str, int] = status["detail"]["capacity"]["two_hosts"][BLOCK]["review"]
    return found


async def test_two_hosts_give_the_limit_together_and_each_place_once(
    kafka: str, serving: Callable[..., Running]
) -> None:
    hosts = []
    for number in range(2):
        running = serving(
            kafka, HEADRACE_SERVING_SHARES="1,1", HEADRACE_SERVING_SHARE=str(number), HEADRACE_INSTANCE=str(number)
        )
        running.home = running.home / f"host-{number}"
        running.home.mkdir()
        hosts.append(running)
    store = PackageStore(str(hosts[0].home / "packages"))
    toy = make_toy(hosts[0].home / "made", store, use_case="two_hosts")
    PackageStore(str(hosts[1].home / "packages")).put(toy.path, toy.digest)
    for running in hosts:
        running.start()
    async with producer(kafka) as publish:
        await publish(applied(UNDER), toy.released(1, UNDER))
    for running in hosts:
        await running.until(_serves)
    # The first host is asked far more often: what the second has left stays its own.
    first = [await _ask(hosts[0], f"h{number}", number % 24) for number in range(REQUESTS)]
    second = [await _ask(hosts[1], f"h{REQUESTS + number}", number) for number in range(3)]
    shares = [await _review(running) for running in hosts]
    assert sum(share["share"] for share in shares) == LIMIT
    assert {share["limit"] for share in shares} == {LIMIT}
    assert first.count("review") == shares[0]["share"] == shares[0]["taken"]
    assert (shares[0]["unused"], shares[1]["unused"]) == (0, shares[1]["share"] - 3)
    more = await asyncio.gather(*(_ask(hosts[1], f"h{100 + number}", number % 24) for number in range(REQUESTS)))
    assert (first + second + more).count("review") == LIMIT
    for running in hosts:
        await running.until(lambda status: status["quiet"])
        async with httpx.AsyncClient(base_url=running.url) as client:
            text = (await client.get("/metrics")).text
        assert 'serving_capacity_unused{decision="review",use_case="two_hosts"}' in text
    records = await read_all(kafka, "prediction_served", "two_hosts/h")
    events = [from_record(PredictionServed, record.value, record.headers) for record in records]
    places = {event.request_id: event.places[0] for event in events if event.decisions == ["review"]}
    assert sorted(place for place in places.values() if place) == list(range(1, LIMIT + 1))
