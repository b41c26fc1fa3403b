"""Some cases are decided without the model, or marked for labelling: by their id, within capacity, and it is said."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from services.serving import answers
from services.serving.answers import read_served
from services.serving.decode import Decoder, Fields
from services.serving.forms import COLUMNS, TABLE
from services.serving.journal import Journal
from services.serving.ledger import CapacityTaken
from services.serving.live import Served
from services.serving.predict import Predictor
from services.serving.score import Coalescer, Scores
from shared.contract import derive_policy
from shared.contract.arms import draw_of
from shared.contract.read import read_contract
from shared.spine.clock import Clock
from tests.contract.written import MULTICLASS, REGRESSION
from tests.serving.toy import CONTRACT, NOW, contract, live_of

SHARES = ("without_model: none", "without_model: none\ncontrol_share: 0.2\naudit_share: 0.3")
UNDER = contract(SHARES)
POLICY, DRAW = derive_policy(UNDER), draw_of(UNDER, 7)
RECORDS: list[Fields] = [{"size": 11 if row % 10 == 9 else 1} for row in range(200)]


def unsure(columns: Mapping[str, Sequence[object]]) -> Scores:
    """A model whose every case is worth a review."""
    return [[0.5] for _ in columns["size"]]


@pytest.fixture
async def predictor(tmp_path: Path) -> AsyncIterator[Predictor]:
    journal = Journal(tmp_path / "spool")
    await journal.open()
    with ThreadPoolExecutor(1) as executor:
        served = Served()
        served.switch(live_of(Coalescer(unsure, executor), UNDER))
        yield Predictor(journal, served, Clock("replay", NOW), "serving/0")
    journal.close()


async def ask(predictor: Predictor, **body: Any) -> dict[str, Any]:
    """The document of an answer."""
    answer = await predictor.answer("trains", json.dumps(body).encode())
    document: dict[str, Any] = json.loads(answer.body)
    assert answer.status == 200, document
    return document


def events_of(predictor: Predictor, request_id: str) -> list[answers.Served]:
    """The events that the journal holds of a request."""
    found = predictor.journal.first_answer("trains", request_id)
    assert found is not None
    return [read_served(body) for _, body in found[1]]


async def test_control_cases_get_the_decision_without_a_model_and_say_so_with_their_propensity(
    predictor: Predictor,
) -> None:
    said = await ask(predictor, request_id="r", records=RECORDS)
    [event] = events_of(predictor, "r")
    assert DRAW is not None
    assert (event.arms, event.propensities) == DRAW.arms("r", event.flagged)
    rows = zip(event.arms, event.propensities, event.decisions, event.reasons, event.places, event.flagged, strict=True)
    for arm, propensity, decision, reason, place, flagged in rows:
        if flagged:
            assert (decision, reason, propensity, arm != "control") == ("none", "flagged", 1.0, True)
        elif arm == "control":
            assert (decision, reason, propensity, place) == ("none", "control", 0.2, None)
        else:
            assert (reason in ("cost", "capacity"), propensity) == (True, 0.8)
    assert [each.get("arm", "model") for each in said["predictions"]] == event.arms
    assert set(event.arms) == {"model", "control", "audit"}


async def test_the_capacity_is_the_models_alone_and_its_hard_cap_holds(predictor: Predictor) -> None:
    await ask(predictor, request_id="r", records=RECORDS)
    [event] = events_of(predictor, "r")
    taken = [place for place in event.places if place is not None]
    assert taken == list(range(1, 21))
    by_model = [arm != "control" and not odd for arm, odd in zip(event.arms, event.flagged, strict=True)]
    reviewed = [decision == "review" for decision, model in zip(event.decisions, by_model, strict=True) if model]
    assert reviewed == [True] * 20 + [False] * (len(reviewed) - 20)


async def test_a_repeat_has_the_same_arms_whatever_shares_the_contract_has_by_then(predictor: Predictor) -> None:
    first = await ask(predictor, request_id="r", records=RECORDS)
    with ThreadPoolExecutor(1) as executor:
        predictor.serving.switch(live_of(Coalescer(unsure, executor), contract(), sequence=2))
        assert await ask(predictor, request_id="r", records=RECORDS) == first
        later = await ask(predictor, request_id="s", records=RECORDS)
    assert not any("arm" in each for each in later["predictions"])


async def test_each_form_of_an_answer_shows_the_arms(predictor: Predictor) -> None:
    await ask(predictor, request_id="r", records=RECORDS)
    found = predictor.journal.first_answer("trains", "r")
    assert found is not None
    head, events = found[0], events_of(predictor, "r")
    columns = json.loads(COLUMNS.render(head, events))["columns"]
    table = pa.ipc.open_stream(TABLE.render(head, events)).read_all()
    assert columns["arm"] == table["arm"].to_pylist() == events[0].arms


@pytest.mark.parametrize("text", [CONTRACT, MULTICLASS, REGRESSION])
def test_few_rows_and_many_are_decided_alike_in_every_task(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    under = read_contract(text.replace("signed_by", "control_share: 0.2\nsigned_by"))
    draw, policy = draw_of(under, 7), derive_policy(under)
    assert draw is not None
    rows = Decoder(under).rows([{}] * 40, NOW)
    scores = [[0.5, 0.3, 0.2] if under.task == "multiclass" else [0.5]] * 40
    drawn = draw.arms("r", rows.flagged)
    found = {}
    for few in (0, 1000):
        monkeypatch.setattr(answers, "FEW_ROWS", few)
        found[few] = answers.decide_rows(policy, rows, scores, CapacityTaken(), under.use_case, drawn)
    assert found[0] == found[1000]
    control = [row for row, arm in enumerate(drawn.arms) if arm == "control"]
    assert {found[0].decisions[row] for row in control} == {policy.without_model}
    assert {found[0].reasons[row] for row in control} == {"control"}
