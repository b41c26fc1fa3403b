"""Answers: the first one for a repeated id, whatever is live; problems that name the field; events for both."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from services.serving import segments
from services.serving.answers import read_served
from services.serving.bounds import JournalOptions
from services.serving.entries import bodies, decode_head
from services.serving.journal import Journal
from services.serving.live import Served
from services.serving.predict import Predictor
from services.serving.score import Coalescer, Scores
from shared.spine.clock import Clock
from tests.serving.toy import NOW, contract, live_of

UNDER = contract()


def half(columns: Mapping[str, Sequence[object]]) -> Scores:
    """A model that is never sure, and cannot stand the number 3."""
    if 3.0 in columns["size"]:
        raise ValueError("three")
    return [[0.5] for _ in columns["size"]]


def always(columns: Mapping[str, Sequence[object]]) -> Scores:
    """A model that is always sure."""
    return [[1.0] for _ in columns["size"]]


@pytest.fixture
async def predictor(tmp_path: Path) -> AsyncIterator[Predictor]:
    journal = Journal(tmp_path / "spool")
    await journal.open()
    with ThreadPoolExecutor(1) as executor:
        served = Served(contracts={"waiting": UNDER})
        served.switch(live_of(Coalescer(half, executor), UNDER))
        yield Predictor(journal, served, Clock("replay", NOW), "serving/0")
    journal.close()


async def ask(predictor: Predictor, use_case: str = "trains", **body: Any) -> tuple[int, dict[str, Any]]:
    """Status and document of an answer."""
    answer = await predictor.answer(use_case, json.dumps(body).encode())
    document: dict[str, Any] = json.loads(answer.body)
    return answer.status, document


def written(predictor: Predictor) -> list[Any]:
    """The prediction events in the journal."""
    return [event for _, event in shipped(predictor)]


def shipped(predictor: Predictor) -> list[tuple[dict[str, str], Any]]:
    """The same with their headers."""
    directory = predictor.journal.directory
    found = []
    for number in segments.list_segments(directory):
        for _, _, head, payload in segments.read(segments.path_of(directory, number)):
            _, start = decode_head(payload)
            found += [(dict(sent.headers), read_served(body)) for sent, body in bodies(head, payload, start)]
    return found


async def test_a_repeated_request_gets_its_first_answer_across_a_release_and_a_restart(predictor: Predictor) -> None:
    first = await ask(predictor, request_id="r", records=[{"size": 1}, {"size": 2}])
    with ThreadPoolExecutor(1) as executor:
        predictor.serving.switch(live_of(Coalescer(always, executor), UNDER, sequence=2))
        assert await ask(predictor, request_id="r", records=[{"size": 1}, {"size": 2}]) == first
        restarted = Journal(predictor.journal.directory)
        await restarted.open()
        again = Predictor(restarted, predictor.serving, predictor.clock, "serving/0")
        assert await ask(again, request_id="r", records=[{"size": 1}, {"size": 2}]) == first
        assert restarted.ledger.taken.of("trains", "2013-03-01") == {"review": 2}
        status, document = await ask(again, request_id="other", record={"size": 1})
        restarted.close()
    assert (status, document["release"], document["predictions"][0]["decision"]) == (200, 2, "act")
    assert first[1]["release"] == 1


async def test_a_release_does_not_give_capacity_back(predictor: Predictor) -> None:
    await ask(predictor, records=[{"size": 1}] * 15)
    with ThreadPoolExecutor(1) as executor:
        predictor.serving.switch(live_of(Coalescer(half, executor), UNDER, sequence=2))
        _, document = await ask(predictor, records=[{"size": 1}] * 15)
    decisions = [each["decision"] for each in document["predictions"]]
    assert decisions.count("review") == 5
    assert {each["reason"] for each in document["predictions"][5:]} == {"capacity"}


async def test_the_same_id_for_other_records_or_another_use_case_is_a_conflict(predictor: Predictor) -> None:
    await ask(predictor, request_id="r", record={"size": 1})
    status, document = await ask(predictor, request_id="r", record={"size": 2})
    assert (status, document["field"], document["request_id"]) == (409, "request_id", "r")
    other = contract(("use_case: trains", "use_case: ships"))
    with ThreadPoolExecutor(1) as executor:
        predictor.serving.switch(live_of(Coalescer(half, executor), other))
        status, document = await ask(predictor, "ships", request_id="r", record={"size": 1})
    assert (status, document["detail"]) == (409, "request_id r was answered for the use case trains")


async def test_unknown_and_unreleased_use_cases_are_told_apart(predictor: Predictor) -> None:
    status, document = await ask(predictor, "planes", record={})
    assert (status, document["allowed"]) == (404, ["trains", "waiting"])
    status, document = await ask(predictor, "waiting", record={})
    assert (status, document["detail"]) == (503, "waiting has no release yet")


async def test_a_refused_request_is_written_down_without_rows_and_takes_nothing(predictor: Predictor) -> None:
    status, document = await ask(predictor, request_id="bad", record={"sise": 1})
    assert (status, document["record"], document["field"]) == (422, 0, "sise")
    assert document["allowed"] == ["colour", "left_at", "size", "speed"]
    [event] = written(predictor)
    assert (event.request_id, event.status, event.decisions) == ("bad", "refused", [])
    assert predictor.journal.ledger.taken.of("trains", "2013-03-01") == {}


async def test_a_record_that_the_model_cannot_score_is_named(predictor: Predictor) -> None:
    status, document = await ask(predictor, records=[{"size": 1}, {"size": 3}])
    assert (status, document["record"]) == (422, 1)


async def test_what_a_release_fails_names_it_at_the_event_time_that_an_answer_would_have_had(
    predictor: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    left_at = "2013-03-01T07:00:00Z"
    assert (await ask(predictor, request_id="a", record={"size": 3, "left_at": left_at}))[0] == 422
    monkeypatch.setattr(predictor, "time_limit", 0)
    assert (await ask(predictor, request_id="b", record={"size": 1, "left_at": left_at}))[0] == 503
    monkeypatch.setattr(predictor, "_predict", None)
    assert (await ask(predictor, request_id="c", record={"size": 1, "left_at": left_at}))[0] == 500
    assert (await ask(predictor, "waiting", record={}))[0] == 503
    told = [(event.request_id, event.status, event.release_sequence) for event in written(predictor)]
    assert told[:3] == [(name, "failed", 1) for name in "abc"]
    assert told[3][1:] == ("failed", 0), "nobody's fault but that of who released nothing"
    assert [headers["ce_time"] for headers, _ in shipped(predictor)] == [left_at] * 3 + ["2013-03-01T00:00:00Z"]


async def test_wrong_clients_do_not_hide_what_a_release_fails(predictor: Predictor) -> None:
    for _ in range(100):
        await ask(predictor, record={"sise": 1})
    await ask(predictor, record={"size": 3})
    assert written(predictor)[-1].status == "failed"


async def test_a_full_spool_answers_503_and_takes_no_capacity(predictor: Predictor, tmp_path: Path) -> None:
    small = Journal(tmp_path / "small", JournalOptions(segment_bytes=2000, max_bytes=4000))
    await small.open()
    full = Predictor(small, predictor.serving, predictor.clock, "serving/0")
    answered = 0
    while (answer := await full.answer("trains", b'{"record": {"size": 1}}')).status == 200:
        answered += 1
    assert answer.status == 503
    assert dict(answer.headers)["retry-after"] == "1"
    assert small.ledger.taken.of("trains", "2013-03-01") == {"review": answered}
    small.close()


async def test_an_answer_names_its_version_and_its_predictions(predictor: Predictor) -> None:
    _, document = await ask(predictor, record={"size": 99})
    assert document["version"] == f"{1:064x}"
    assert document["predictions"] == [
        {
            "prediction_id": f"{document['request_id']}/0",
            "score": 0.5,
            "decision": "none",
            "reason": "flagged",
            "flagged": ["size"],
        }
    ]
