"""Requests of several records that arrive in one turn are told what each would have been told alone."""

import json
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import pytest

from services.serving.asking import One
from services.serving.bounds import JournalOptions
from services.serving.journal import Journal
from services.serving.live import Served
from services.serving.predict import Predictor
from services.serving.score import MOST_ROWS_TOGETHER, Coalescer, Columns, Scores
from services.serving.together import Turn
from shared.package.compiled.runtime import Asked, OutsideError
from shared.spine.clock import Clock
from tests.serving.test_predict import shipped
from tests.serving.test_together import Client
from tests.serving.toy import NOW, contract, live_of

UNDER = contract()
# The contract has 20 reviews a block, and these go to review, to nobody and to action.
UNSURE, SURE, LATE = 0.5, -9.9, 9.0
# The compiled form does not speak for it.
OUTSIDE = 9.5


class BySize:
    """A compiled form whose score grows with the size; it counts its calls."""

    def __init__(self) -> None:
        self.calls: list[int] = []

    def score(self, columns: Columns) -> Scores:
        self.calls.append(len(columns["size"]))
        return [self._of(size) for size in columns["size"]]

    def score_rows(self, rows: Sequence[Asked]) -> list[list[float] | None]:
        return [self._of(numbers[0]) for numbers, _ in rows]

    def _of(self, size: Any) -> list[float]:
        if size is not None and size >= OUTSIDE:
            raise OutsideError("too large")
        return [0.5 if size is None else (size + 10) / 20]


@pytest.fixture
async def two(tmp_path: Path) -> AsyncIterator[list[Predictor]]:
    """Two of the same, with a journal each."""
    with ThreadPoolExecutor(1) as executor:
        found = []
        for name in ("together", "alone"):
            journal = Journal(tmp_path / name, JournalOptions(segment_bytes=200_000, max_bytes=400_000))
            await journal.open()
            served = Served()
            served.switch(live_of(Coalescer(lambda columns: [[0.5]], executor, compiled=BySize()), UNDER))
            found.append(Predictor(journal, served, Clock("replay", NOW), "serving/0"))
        yield found
        for predictor in found:
            predictor.journal.close()


def ask(predictor: Predictor, bodies: Sequence[dict[str, Any]], *, together: bool, **client: bool) -> list[Client]:
    """Clients that ask in one turn, or each in one of his own."""
    turn, clients = Turn(predictor), [Client(**client) for _ in bodies]
    for body, asker in zip(bodies, clients, strict=True):
        found = predictor.read("trains", json.dumps(body).encode())
        assert found is not None
        turn.add(One(*found, 0.0, asker), alone=not together)
    turn.answer()
    return clients


def many(*sizes: float | None, **more: Any) -> dict[str, Any]:
    return {"records": [{"size": size, "speed": 3.0, "colour": "red"} for size in sizes], **more}


def said(client: Client) -> list[dict[str, Any]] | None:
    """What was decided, without the id, which is another each time."""
    [body] = client.said
    if body is None:
        return None
    return [{**each, "prediction_id": None} for each in json.loads(body)["predictions"]]


def told(predictor: Predictor) -> list[Any]:
    """The events, without what differs from one asking to the next."""
    return [msgspec.structs.replace(event, request_id="", latency_ms=0.0) for _, event in shipped(predictor)]


def calls(predictor: Predictor) -> list[int]:
    form = predictor.serving.live["trains"].model._compiled
    assert isinstance(form, BySize)
    return form.calls


# 24 ask for one of the 20 reviews, the last of them in the fourth request; flagged and single records are among them.
BODIES = [
    many(*[UNSURE] * 9, SURE),
    many(LATE, *[UNSURE] * 7, None),
    {"record": {"size": UNSURE}},
    many(UNSURE, 99.0),
    many(*[UNSURE] * 5, SURE, LATE),
]


async def test_single_records_take_from_the_same_capacity(two: list[Predictor]) -> None:
    together, alone = (ask(each, BODIES, together=each is two[0]) for each in two)
    # They go their own way, before the others: who gets a review may differ, how many do does not.
    assert _reviews(two[0]) == _reviews(two[1]) == list(range(1, 21))
    assert [len(said(client) or ()) for client in together] == [len(said(client) or ()) for client in alone]
    assert calls(two[0]) == [28]


async def test_rows_of_many_requests_are_decided_in_the_order_in_which_they_came(two: list[Predictor]) -> None:
    bodies = [body for body in BODIES if "records" in body]
    together, alone = (ask(each, bodies, together=each is two[0]) for each in two)
    assert [said(client) for client in together] == [said(client) for client in alone]
    assert told(two[0]) == told(two[1])
    assert two[0].journal.ledger.taken == two[1].journal.ledger.taken
    assert (calls(two[0]), calls(two[1])) == ([28], [10, 9, 2, 7])


async def test_a_row_for_the_original_model_disturbs_nobody_else(two: list[Predictor]) -> None:
    clients = ask(two[0], [many(UNSURE, SURE), many(UNSURE, OUTSIDE), many(LATE, LATE)], together=True)
    assert [said(client) is None for client in clients] == [False, True, False]
    assert two[0].journal.ledger.events == 2


async def test_a_request_that_stands_twice_in_a_turn_is_answered_once(two: list[Predictor]) -> None:
    body = many(UNSURE, SURE, request_id="once")
    first, again = ask(two[0], [body, body], together=True)
    assert first.said == again.said != [None]
    assert two[0].journal.ledger.events == 1


async def test_a_repeat_gets_its_first_answer_and_the_others_theirs(two: list[Predictor]) -> None:
    body = many(UNSURE, SURE, request_id="once")
    [first] = ask(two[0], [body], together=True)
    again, other, changed = ask(two[0], [body, many(LATE, LATE), many(LATE, LATE, request_id="once")], together=True)
    assert again.said == first.said
    assert said(other) is not None
    # Another request under the same id is refused by the usual way, which says why.
    assert changed.said == [None]


async def test_who_asks_too_often_is_left_out(two: list[Predictor]) -> None:
    turn, clients = Turn(two[0]), [Client(), Client(too_many=True), Client()]
    for client in clients:
        found = two[0].read("trains", json.dumps(many(UNSURE, SURE)).encode())
        assert found is not None
        turn.add(One(*found, 0.0, client), alone=False)
    turn.answer()
    assert [said(client) is None for client in clients] == [False, True, False]
    assert [client.admitted for client in clients] == [1, 1, 1]
    assert calls(two[0]) == [6]
    assert [len(event.decisions) for _, event in shipped(two[0])] == [2, 2]


async def test_who_is_answered_by_the_usual_way_is_counted_there(two: list[Predictor]) -> None:
    [client] = ask(two[0], [many(UNSURE, OUTSIDE)], together=True)
    assert (client.said, client.admitted) == ([None], 0)


async def test_nothing_is_written_while_another_holds_the_lock(two: list[Predictor]) -> None:
    other = Journal(two[0].journal.directory)
    await other.open()
    async with other.locked():
        clients = ask(two[0], [many(UNSURE, SURE)] * 2, together=True)
    other.close()
    assert [client.said for client in clients] == [[None], [None]]
    assert two[0].journal.ledger.events == 0


async def test_a_turn_ends_before_it_holds_more_rows_than_are_scored_at_once(two: list[Predictor]) -> None:
    most = MOST_ROWS_TOGETHER // 2
    clients = ask(two[0], [many(*[SURE] * most)] * 3, together=True)
    assert [len(said(client) or ()) for client in clients] == [most] * 3
    assert calls(two[0]) == [2 * most, most]


def _reviews(predictor: Predictor) -> list[int]:
    """The places of the capacity that were given, each once."""
    return sorted(place for _, event in shipped(predictor) for place in event.places if place)
