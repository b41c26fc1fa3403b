"""Requests that arrive in one turn are answered together, and each as if it had come alone."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from services.serving.asking import One
from services.serving.bounds import JournalOptions
from services.serving.journal import Journal
from services.serving.ledger import Position
from services.serving.live import Served
from services.serving.metrics import TALLY
from services.serving.predict import Answer, Predictor
from services.serving.score import Coalescer, Scores
from services.serving.together import MOST_TOGETHER, Turn
from shared.package.compiled.runtime import Asked
from shared.spine.clock import Clock
from shared.spine.problems import Problem
from tests.serving.test_predict import shipped
from tests.serving.toy import NOW, contract, live_of

UNDER = contract()
BLOCK = "2013-03-01"


class Counted:
    """A compiled form that is never sure, does not know sizes above 9, and counts how often it is asked."""

    def __init__(self) -> None:
        self.calls = 0

    def score(self, columns: object) -> Scores:
        raise AssertionError("nobody asks for many rows here")

    def score_rows(self, rows: Sequence[Asked]) -> list[list[float] | None]:
        self.calls += 1
        return [None if numbers[0] is not None and numbers[0] > 9 else [0.5] for numbers, _ in rows]


class Client:
    """Keeps what it is answered."""

    def __init__(self, *, too_many: bool = False) -> None:
        self.said: list[bytes | None] = []
        self.refused: list[int] = []
        self.too_many = too_many
        self.admitted = 0

    def admit(self) -> None:
        self.admitted += 1
        if self.too_many:
            raise Problem(429, "too many")

    def answered(self, body: bytes | None) -> None:
        self.said.append(body)

    def failed(self, answer: Answer) -> None:
        self.refused.append(answer.status)

    @property
    def decision(self) -> str:
        [body] = self.said
        assert body is not None
        return str(json.loads(body)["predictions"][0]["decision"])


@pytest.fixture
async def predictor(tmp_path: Path) -> AsyncIterator[Predictor]:
    journal = Journal(tmp_path / "spool", JournalOptions(segment_bytes=200_000, max_bytes=400_000))
    await journal.open()
    with ThreadPoolExecutor(1) as executor:
        served = Served()
        served.switch(live_of(Coalescer(lambda columns: [[0.5]], executor, compiled=Counted()), UNDER))
        yield Predictor(journal, served, Clock("replay", NOW), "serving/0")
    journal.close()


def asked(predictor: Predictor, turn: Turn, *bodies: str, alone: bool = False) -> list[Client]:
    """Clients that ask in one turn."""
    clients = []
    for body in bodies:
        found = predictor.read("trains", body.encode())
        assert found is not None
        client = Client()
        turn.add(One(*found, 0.0, client), alone=alone)
        clients.append(client)
    return clients


async def turn_over() -> None:
    """Return when a turn of the event loop has brought nobody new, and those before are answered."""
    for _ in range(2):
        ended = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(ended.set_result, None)
        await ended


def compiled(predictor: Predictor) -> Counted:
    form = predictor.serving.live["trains"].model._compiled
    assert isinstance(form, Counted)
    return form


async def test_a_turn_is_one_call_of_the_model_and_one_write_in_the_order_in_which_they_came(
    predictor: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    writes, write = list[bytes](), predictor.journal.write

    def keep(data: bytes, at: float) -> Position:
        writes.append(data)
        return write(data, at)

    monkeypatch.setattr(predictor.journal, "write", keep)
    clients = asked(predictor, Turn(predictor), *[json.dumps({"record": {"size": size}}) for size in range(5)])
    assert [client.said for client in clients] == [[]] * 5
    await turn_over()
    assert [client.decision for client in clients] == ["review"] * 5
    assert (compiled(predictor).calls, len(writes)) == (1, 1)
    assert [event.numbers["size"] for _, event in shipped(predictor)] == [[0], [1], [2], [3], [4]]
    assert predictor.journal.ledger.events == 5


async def test_who_is_alone_is_answered_now_and_a_long_turn_ends_early(predictor: Predictor) -> None:
    turn = Turn(predictor)
    [client] = asked(predictor, turn, '{"record": {}}', alone=True)
    assert client.decision == "review"
    clients = asked(predictor, turn, *['{"record": {}}'] * (MOST_TOGETHER + 1))
    assert [len(client.said) for client in clients] == [1] * MOST_TOGETHER + [0]
    turn.answer()
    assert len(clients[-1].said) == 1


async def test_the_capacity_is_one_for_all_of_a_turn_and_what_was_taken_before(predictor: Predictor) -> None:
    turn = Turn(predictor)
    first = asked(predictor, turn, *['{"record": {}}'] * 15)
    turn.answer()
    second = asked(predictor, turn, *['{"record": {}}'] * 15)
    turn.answer()
    assert [client.decision for client in first + second].count("review") == 20
    assert predictor.journal.ledger.taken.of("trains", BLOCK)["review"] == 20
    places = [event.places[0] for _, event in shipped(predictor) if event.decisions == ["review"]]
    assert places == list(range(1, 21))
    again = Journal(predictor.journal.directory)
    await again.open()
    assert again.ledger == predictor.journal.ledger
    again.close()


async def test_a_name_that_stands_twice_in_a_turn_is_answered_once(predictor: Predictor) -> None:
    turn = Turn(predictor)
    body = '{"request_id": "r", "record": {"size": 1}}'
    first, second, other = asked(predictor, turn, body, body, '{"request_id": "s", "record": {"size": 1}}')
    turn.answer()
    assert (first.decision, second.said, other.decision) == ("review", [None], "review")
    usual = await predictor.answer("trains", body.encode())
    [later, wrong] = asked(predictor, turn, body, '{"request_id": "s", "record": {"size": 2}}')
    turn.answer()
    assert first.said == later.said == [usual.body]
    assert wrong.said == [None], "409, as the usual way says"
    assert predictor.journal.ledger.taken.of("trains", BLOCK) == {"review": 2}


async def test_who_cannot_be_answered_here_disturbs_nobody(predictor: Predictor) -> None:
    turn = Turn(predictor)
    good, large = asked(predictor, turn, '{"record": {}}', '{"record": {"size": 9.5}}')
    found = predictor.read("trains", b'{"record": {}}')
    assert found is not None
    hasty = Client(too_many=True)
    turn.add(One(*found, 0.0, hasty), alone=True)
    assert (good.decision, large.said, hasty.said) == ("review", [None], [None])
    assert predictor.journal.ledger.taken.of("trains", BLOCK) == {"review": 1}


async def test_nothing_is_written_and_nobody_answered_while_another_holds_the_lock(predictor: Predictor) -> None:
    turn, other = Turn(predictor), Journal(predictor.journal.directory)
    await other.open()
    async with other.locked():
        clients = asked(predictor, turn, '{"record": {}}', '{"record": {}}')
        turn.answer()
    assert [client.said for client in clients] == [[None]] * 2
    assert shipped(predictor) == []
    other.close()


async def test_a_full_spool_takes_all_of_a_turn_or_nothing(predictor: Predictor) -> None:
    turn, said = Turn(predictor), list[Client]()
    while not predictor.journal.full:
        said = asked(predictor, turn, *['{"record": {}}'] * 10)
        turn.answer()
    assert [client.said for client in said] == [[None]] * 10
    assert predictor.journal.ledger.taken.of("trains", BLOCK)["review"] == 20
    assert len(shipped(predictor)) % 10 == 0
    assert predictor.read("trains", b'{"record": {}}') is None, "the usual way says 503"


async def test_what_is_counted_in_memory_comes_into_the_metrics(predictor: Predictor) -> None:
    from services.serving.metrics import SERVING_LATENCY_SECONDS, SERVING_PREDICTIONS_TOTAL

    TALLY.flush()
    counter = SERVING_PREDICTIONS_TOTAL.labels("trains", "review", "cost")
    before = counter._value.get()
    turn = Turn(predictor)
    asked(predictor, turn, *['{"record": {}}'] * 3)
    turn.answer()
    await turn_over()
    assert counter._value.get() == before
    TALLY.flush()
    assert counter._value.get() == before + 3
    assert sum(bucket.get() for bucket in SERVING_LATENCY_SECONDS.labels("trains")._buckets) >= 3


async def test_who_comes_while_the_first_look_around_is_answered_with_them(predictor: Predictor) -> None:
    turn = Turn(predictor)
    first = asked(predictor, turn, '{"record": {"size": 1}}', '{"record": {"size": 2}}')
    loop = asyncio.get_running_loop()
    later: list[Client] = []
    loop.call_soon(lambda: later.extend(asked(predictor, turn, '{"record": {"size": 3}}')))
    await turn_over()
    await turn_over()
    assert [len(client.said) for client in (*first, *later)] == [1, 1, 1]
    assert compiled(predictor).calls == 1


async def test_who_is_first_of_nobody_else_waits_for_one_turn(predictor: Predictor) -> None:
    [client] = asked(predictor, Turn(predictor), '{"record": {"size": 1}}')
    ended = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(ended.set_result, None)
    await ended
    assert len(client.said) == 1
