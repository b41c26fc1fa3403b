"""Requests whose model has no compiled form wait for it together, and each fails alone."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest

from services.serving.asking import One
from services.serving.journal import Journal
from services.serving.live import Served
from services.serving.predict import Predictor
from services.serving.score import Coalescer, Scores
from services.serving.together import Settled, Turn, _count
from shared.spine.clock import Clock
from tests.serving.test_together import Client, asked
from tests.serving.toy import NOW, contract, live_of

UNDER = contract()


class Slow:
    """A model that waits until it may go on, cannot stand the number 3, and knows how many rows each call had."""

    def __init__(self) -> None:
        self.may_go_on, self.begun, self.calls = Event(), Event(), list[int]()

    def __call__(self, columns: Mapping[str, Sequence[object]]) -> Scores:
        self.begun.set()
        self.may_go_on.wait(20)
        self.calls.append(len(columns["size"]))
        if 3.0 in columns["size"]:
            raise ValueError("three")
        return [[0.5] for _ in columns["size"]]


@pytest.fixture
async def slow(tmp_path: Path) -> AsyncIterator[tuple[Predictor, Slow]]:
    journal, model = Journal(tmp_path / "spool"), Slow()
    await journal.open()
    with ThreadPoolExecutor(1) as executor:
        served = Served()
        served.switch(live_of(Coalescer(model, executor), UNDER))
        yield Predictor(journal, served, Clock("replay", NOW), "serving/0"), model
        model.may_go_on.set()
    journal.close()


async def answered(clients: Sequence[Client]) -> None:
    """Wait until each has an answer."""
    async with asyncio.timeout(20):
        while not all(client.said or client.refused for client in clients):
            await asyncio.wait([asyncio.get_running_loop().create_future()], timeout=0.005)


async def test_who_comes_while_the_model_works_goes_along_with_the_next_call(slow: tuple[Predictor, Slow]) -> None:
    predictor, model = slow
    turn = Turn(predictor)
    clients = asked(predictor, turn, '{"record": {"size": 1}}', alone=True)
    await asyncio.to_thread(model.begun.wait, 20)
    for size in range(4, 9):
        clients += asked(predictor, turn, json.dumps({"record": {"size": size}}))
        turn.answer()
    model.may_go_on.set()
    await answered(clients)
    assert model.calls == [1, 5]
    assert [client.decision for client in clients] == ["review"] * 6
    assert predictor.journal.ledger.taken.of("trains", "2013-03-01") == {"review": 6}


async def test_a_record_that_the_model_cannot_score_fails_alone(slow: tuple[Predictor, Slow]) -> None:
    predictor, model = slow
    model.may_go_on.set()
    turn = Turn(predictor)
    clients = asked(predictor, turn, *[json.dumps({"record": {"size": size}}) for size in (1, 3, 2)])
    turn.answer()
    await answered(clients)
    assert [client.refused for client in clients] == [[], [422], []]
    assert [client.decision for client in (clients[0], clients[2])] == ["review"] * 2


async def test_who_has_waited_for_too_long_is_told_so(slow: tuple[Predictor, Slow]) -> None:
    predictor, model = slow
    predictor.time_limit = 0.05
    turn = Turn(predictor)
    clients = asked(predictor, turn, '{"record": {}}', '{"record": {}}')
    turn.answer()
    await answered(clients)
    assert [client.refused for client in clients] == [[503], [503]]
    assert predictor.journal.ledger.taken.of("trains", "2013-03-01") == {}
    model.may_go_on.set()


async def test_who_asks_too_often_is_not_scored(slow: tuple[Predictor, Slow]) -> None:
    predictor, model = slow
    model.may_go_on.set()
    turn, hasty = Turn(predictor), Client(too_many=True)
    clients = asked(predictor, turn, '{"record": {"size": 1}}')
    found = predictor.read("trains", b'{"record": {"size": 2}}')
    assert found is not None
    turn.add(One(*found, 0.0, hasty), alone=True)
    await answered([*clients, hasty])
    assert (clients[0].decision, hasty.said, model.calls) == ("review", [None], [1])


async def test_a_full_spool_is_a_503_for_each(slow: tuple[Predictor, Slow], monkeypatch: pytest.MonkeyPatch) -> None:
    from services.serving.bounds import SpoolFullError

    predictor, model = slow
    model.may_go_on.set()

    def full(data: bytes, at: float) -> None:
        raise SpoolFullError("no room")

    monkeypatch.setattr(predictor.journal, "write", full)
    turn = Turn(predictor)
    clients = asked(predictor, turn, '{"record": {}}', '{"record": {}}')
    turn.answer()
    await answered(clients)
    assert [client.refused for client in clients] == [[503], [503]]


def test_nobody_is_counted_where_nothing_could_be_scored() -> None:
    _count([], Settled([], []), 0.0)
