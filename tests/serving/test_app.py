"""Serving as it really runs: processes, sockets, Kafka; released, swapped, killed and cut off from Kafka."""

import asyncio
import os
import signal
from collections.abc import Callable
from functools import partial
from typing import Any

import httpx
import pytest

from headrace.embedded_kafka import EmbeddedKafka
from shared.events import ActivationReported, OutcomeRecorded, PredictionServed, from_record
from shared.package import PackageStore
from tests.serving.conftest import Running, producer, read_all
from tests.serving.toy import Toy, applied, contract, make_toy

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(300)]

Make = Callable[..., Running]


def named(use_case: str) -> Any:
    """The toy contract under another name, so that tests share one Kafka."""
    return contract(("use_case: trains", f"use_case: {use_case}"))


def toy_in(running: Running, use_case: str, seed: int = 0) -> Toy:
    """A package in the store of a replica."""
    return make_toy(running.home / "made", PackageStore(str(running.home / "packages")), seed=seed, use_case=use_case)


def serves(use_case: str, sequence: int) -> Callable[[dict[str, Any]], bool]:
    """Whether every live worker serves a release."""
    return lambda status: status["ready"] and status["detail"]["releases"].get(use_case) == sequence


async def test_the_first_mile_over_http(kafka: str, serving: Make) -> None:
    running = serving(kafka)
    under, toy = named("first_mile"), toy_in(running, "first_mile")
    running.start()
    async with producer(kafka) as publish, httpx.AsyncClient(base_url=running.url, timeout=20) as client:
        await running.until(lambda status: status["ready"])
        await publish(applied(under))
        await running.until(lambda status: True)
        await publish(toy.released(1, under))
        await running.until(serves("first_mile", 1))
        asked = {"request_id": "r-1", "records": [{"size": 2.0, "colour": "red"}, {"size": -2.0}, {"size": 99}]}
        answer = (await client.post("/v1/first_mile/predict", json=asked)).json()
        assert answer["version"] == toy.digest
        assert [p["prediction_id"] for p in answer["predictions"]] == ["r-1/0", "r-1/1", "r-1/2"]
        assert answer["predictions"][2]["reason"] == "flagged"
        assert answer["predictions"][2]["flagged"] == ["size"]
        assert (await client.post("/v1/first_mile/predict", json=asked)).json() == answer
        said = {"outcomes": [{"prediction_id": "r-1/0", "label": "late"}]}
        assert (await client.post("/v1/first_mile/outcomes", json=said)).json() == {"accepted": 1}
        await running.until(lambda status: status["quiet"])
        metrics = (await client.get("/metrics")).text
        assert 'serving_predictions_total{decision="none",reason="flagged",use_case="first_mile"} 1.0' in metrics
        assert 'serving_shipped_events_total{topic="prediction_served"}' in metrics
        records = await read_all(kafka, "prediction_served", "first_mile")
        served = [from_record(PredictionServed, record.value, record.headers) for record in records]
        assert [(event.request_id, len(event.scores)) for event in served] == [("r-1", 3)]
        outcomes = await read_all(kafka, "outcome_recorded", "first_mile")
        assert from_record(OutcomeRecorded, outcomes[0].value, outcomes[0].headers).outcomes[0].label == "late"
        reports = await read_all(kafka, "activation_reported", "first_mile")
        assert from_record(ActivationReported, reports[0].value, reports[0].headers).status == "active"
        await _behind_is_there(client)
    assert running.stop() == 0


async def _behind_is_there(client: httpx.AsyncClient) -> None:
    """BentoML's app answers what the front does not: docs and the stock twin."""
    never = asyncio.get_running_loop().create_future()
    while (answer := await client.get("/docs.json")).status_code == 503:
        await asyncio.wait([never], timeout=0.1)
    assert "/predict" in answer.json()["paths"]
    twin = await client.post("/predict", json={"use_case": "first_mile", "records": [{"size": 1.0}]})
    assert twin.json()["use_case"] == "first_mile"


def _longer(answers: list[dict[str, Any]], than: int, _status: dict[str, Any]) -> bool:
    return len(answers) > than


async def test_releases_are_swapped_under_load_without_a_failed_request(kafka: str, serving: Make) -> None:
    running = serving(kafka, HEADRACE_SERVING_WORKERS="2")
    under = named("swapped")
    toys = [toy_in(running, "swapped", seed) for seed in range(3)]
    running.start()
    async with producer(kafka) as publish, httpx.AsyncClient(base_url=running.url, timeout=20) as client:
        await publish(applied(under), toys[0].released(1, under))
        await running.until(serves("swapped", 1))
        answers: list[dict[str, Any]] = []
        stop = asyncio.Event()

        async def load() -> None:
            while not stop.is_set():
                answer = await client.post("/v1/swapped/predict", json={"record": {"size": 0.3}})
                assert answer.status_code == 200, answer.text
                answers.append(answer.json())

        loads = [asyncio.create_task(load()) for _ in range(4)]
        # A release is live sooner than a client has its first answer.
        await running.until(partial(_longer, answers, 0))
        for sequence, toy in enumerate(toys[1:], start=2):
            await publish(toy.released(sequence, under))
            await running.until(serves("swapped", sequence))
            enough = len(answers) + 8
            await running.until(partial(_longer, answers, enough))
        await publish(toys[0].released(1, under))
        stop.set()
        await asyncio.gather(*loads)
        await running.until(lambda status: status["quiet"])
    digests = {sequence: toy.digest for sequence, toy in enumerate(toys, start=1)}
    assert {answer["release"] for answer in answers} == {1, 2, 3}
    assert all(digests[answer["release"]] == answer["version"] for answer in answers)
    served = await read_all(kafka, "prediction_served", "swapped/")
    ids = {from_record(PredictionServed, r.value, r.headers).request_id for r in served}
    assert ids == {answer["request_id"] for answer in answers}
    reports = await read_all(kafka, "activation_reported", "swapped")
    said = {(e.sequence, e.worker) for e in (from_record(ActivationReported, r.value, r.headers) for r in reports)}
    assert {(3, "0"), (3, "1")} <= said


async def test_serving_starts_without_kafka_and_ships_when_it_is_back(kafka_node: EmbeddedKafka, serving: Make) -> None:
    kafka = kafka_node.start()
    running = serving(kafka)
    under, toy = named("cut_off"), toy_in(running, "cut_off")
    running.start()
    async with producer(kafka) as publish:
        await publish(applied(under), toy.released(1, under))
        await running.until(serves("cut_off", 1))
    await running.until(lambda status: status["quiet"])
    kafka_node.stop()
    async with httpx.AsyncClient(base_url=running.url, timeout=20) as client:
        for number in range(5):
            answer = await client.post("/v1/cut_off/predict", json={"request_id": f"a{number}", "record": {"size": 1}})
            assert answer.status_code == 200
        first = answer.json()
    running.kill()
    running.start()
    await running.until(serves("cut_off", 1))
    async with httpx.AsyncClient(base_url=running.url, timeout=20) as client:
        again = await client.post("/v1/cut_off/predict", json={"request_id": "a4", "record": {"size": 1}})
        assert again.json() == first
        conflict = await client.post("/v1/cut_off/predict", json={"request_id": "a4", "record": {"size": 2}})
        assert conflict.status_code == 409
    assert kafka_node.start() == kafka
    await running.until(lambda status: status["quiet"])
    served = await read_all(kafka, "prediction_served", "cut_off/a")
    assert {r.key for r in served} == {f"cut_off/a{number}".encode() for number in range(5)}


async def test_a_killed_worker_comes_back_and_capacity_holds(kafka: str, serving: Make) -> None:
    running = serving(kafka, HEADRACE_SERVING_WORKERS="2")
    under, toy = named("killed"), toy_in(running, "killed")
    running.start()
    async with producer(kafka) as publish:
        await publish(applied(under), toy.released(1, under))
    await running.until(serves("killed", 1))
    status = await running.until(lambda each: len(each["detail"]["workers"]) == 2)
    decisions: list[str] = []

    async def ask(number: int) -> None:
        for attempt in range(100):
            try:
                async with httpx.AsyncClient(base_url=running.url, timeout=20) as client:
                    asked = {"request_id": f"k{number}", "record": {"size": 0.2, "left_at": "2013-03-01T10:00:00Z"}}
                    answer = await client.post("/v1/killed/predict", json=asked)
                    answer.raise_for_status()
                    decisions.append(answer.json()["predictions"][0]["decision"])
                    return
            except httpx.HTTPError:
                assert attempt < 99

    for number in range(60):
        if number in (20, 40):
            victim = status["detail"]["workers"][number // 20 - 1]["pid"]
            os.kill(victim, signal.SIGKILL)
        await ask(number)
    assert decisions.count("review") == 20
    await running.until(lambda status: status["quiet"])
    served = await read_all(kafka, "prediction_served", "killed/k")
    events = [from_record(PredictionServed, r.value, r.headers) for r in served]
    places = {event.request_id: event.places[0] for event in events if event.decisions == ["review"]}
    assert sorted(place for place in places.values() if place) == list(range(1, 21))
