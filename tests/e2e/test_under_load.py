"""A load client beside the system: Kafka away, serving restarted, a release by hand; nobody notices."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest

from headrace.collect import read_topic
from headrace.embedded_kafka import EmbeddedKafka
from headrace.play import Player
from headrace.replay import SOURCE, Replay
from headrace.run_info import RunInfo
from headrace.scenario import Scenario, load_scenario
from headrace.serving_client import ServingClient
from headrace.supervisor import Supervisor
from shared.events import (
    ActivationReported,
    ModelReleased,
    PredictionServed,
    TrainingFinished,
    TrainingRequested,
    from_record,
)
from shared.feedback.joined import joined
from shared.spine.clock import monotonic

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]
OUTAGE_SECONDS = 30.0
WORKERS = 2
CLIENTS = 6


@pytest.fixture
def kafka(tmp_path: Path) -> Iterator[EmbeddedKafka]:
    broker = EmbeddedKafka(tmp_path / "kafka")
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture
def system(tmp_path: Path, kafka: EmbeddedKafka) -> Iterator[tuple[Supervisor, RunInfo]]:
    with Supervisor(tmp_path / "home", clock="replay", workers=WORKERS, kafka=kafka.address) as supervisor:
        yield supervisor, supervisor.start()


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    whole = load_scenario("flights", "3")
    return whole.until(whole.start + timedelta(days=1))


class Load:
    """Clients that post one record after the other until told to stop; remembers every answer."""

    def __init__(self, url: str, scenario: Scenario) -> None:
        self._clients = [ServingClient(url, scenario.contract.use_case) for _ in range(CLIENTS)]
        self._records = [record for hour in scenario.hours(scenario.days[0]) for record in hour.records]
        self._number = count()
        self._stop = asyncio.Event()
        self.ids: set[str] = set()

    @property
    def failed(self) -> list[str]:
        return [text for client in self._clients for text in client.failed]

    @property
    def answered(self) -> int:
        return sum(client.answered for client in self._clients)

    async def _post(self, client: ServingClient) -> None:
        async with client:
            while not self._stop.is_set():
                number = next(self._number)
                answers = await client.predict(f"load-{number}", [self._records[number % len(self._records)]])
                self.ids |= {answer["prediction_id"] for answer in answers}

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as group:
            for client in self._clients:
                group.create_task(self._post(client))
            try:
                yield
            finally:
                self._stop.set()

    async def answers(self, more: int) -> None:
        """Return when so many more answers have come."""
        target = self.answered + more
        await until(lambda: self.answered >= target)


async def until(holds: Callable[[], bool], seconds: float = 120.0) -> None:
    """Return when it holds; fails after a while."""
    end = monotonic() + seconds
    done = asyncio.Event()

    def look() -> None:
        if holds() or monotonic() > end:
            done.set()
        else:
            asyncio.get_running_loop().call_later(0.05, look)

    look()
    await done.wait()
    assert holds()


@asynccontextmanager
async def begun(scenario: Scenario, running: RunInfo) -> AsyncIterator[tuple[Player, Replay]]:
    """A system whose first model is served."""
    urls = {name: service.url for name, service in running.services.items()}
    use_case = scenario.contract.use_case
    options = {"bootstrap_servers": running.kafka}
    async with Replay(options, urls) as replay, ServingClient(urls["serving"], use_case) as client:
        player = Player(scenario, replay, client, urls["registry"])
        await player.begin()
        await player.train(seed=1)
        yield player, replay


def test_predictions_go_on_while_kafka_is_away_and_serving_restarts(
    system: tuple[Supervisor, RunInfo], kafka: EmbeddedKafka, scenario: Scenario, tmp_path: Path
) -> None:
    supervisor, running = system

    async def story() -> Load:
        async with begun(scenario, running) as (_player, replay):
            load = Load(running.services["serving"].url, scenario)
            async with load.running():
                await load.answers(200)
                await asyncio.to_thread(kafka.stop)
                away_since = monotonic()
                await load.answers(200)
                serving = supervisor.info.services["serving"].pid
                assert serving is not None
                os.kill(serving, signal.SIGTERM)
                await until(lambda: supervisor.info.services["serving"].pid not in (None, serving))
                await load.answers(200)
                await until(lambda: monotonic() - away_since > OUTAGE_SECONDS)
                await asyncio.to_thread(kafka.start)
                await load.answers(200)
            await replay.advance(scenario.end)
            return load

    load = asyncio.run(story())
    assert load.failed == []
    rows = joined(tmp_path / "home" / "feedback", scenario.contract.use_case, scenario.end)
    assert set(rows["prediction_id"]) == load.ids
    assert rows.height == len(load.ids) == load.answered


def test_a_release_by_hand_under_load_is_not_noticed(
    system: tuple[Supervisor, RunInfo], scenario: Scenario, tmp_path: Path
) -> None:
    _supervisor, running = system
    options = {"bootstrap_servers": running.kafka}
    use_case = scenario.contract.use_case

    async def story() -> tuple[Load, list[Any], list[Any], list[Any]]:
        async with begun(scenario, running) as (player, replay):
            await player.live()
            again = TrainingRequested.begin(
                source=SOURCE,
                time=scenario.end,
                use_case=use_case,
                reason="a second package",
                requested_by="test",
                kind_of_cause="person",
            )
            await replay.say(again)
            await replay.quiet()
            finished = [
                from_record(TrainingFinished, r.value, r.headers)
                for r in await read_topic(options, "training_finished")
            ]
            assert finished[-1].outcome == "trained", finished[-1].reason
            load = Load(running.services["serving"].url, scenario)
            async with load.running(), httpx.AsyncClient(base_url=running.services["registry"].url) as http:
                await load.answers(200)
                body = {"package": finished[-1].package_digest, "reason": "tried by hand", "released_by": "test"}
                answer = await http.post(f"/v1/use_cases/{use_case}/releases", json=body, timeout=30)
                assert answer.is_success, answer.text
                await load.answers(400)
            await replay.advance(scenario.end + timedelta(days=1))
            topics = ("model_released", "activation_reported", "prediction_served")
            released, reported, served = [await read_topic(options, topic) for topic in topics]
            return load, released, reported, served

    load, released, reported, served = asyncio.run(story())
    assert load.failed == []
    releases = [from_record(ModelReleased, r.value, r.headers) for r in released]
    assert [release.sequence for release in releases] == [1, 2]
    predictions = [from_record(PredictionServed, r.value, r.headers) for r in served]
    under_load = {p.package_digest for p in predictions if p.request_id.startswith("load-")}
    assert under_load == {release.package_digest for release in releases}
    activations = [from_record(ActivationReported, r.value, r.headers) for r in reported]
    active = {(a.replica, a.worker) for a in activations if a.sequence == 2 and a.status == "active"}
    assert len(active) == WORKERS
