"""Outcomes are checked against the contract and go out as events of the catalogue, all or none."""

import json
from pathlib import Path
from typing import Any

import pytest

from services.serving import entries, segments
from services.serving.faults import Refused
from services.serving.journal import Journal
from services.serving.live import Served
from services.serving.outcomes import Outcomes, read_outcomes
from shared.contract import Contract
from shared.events import OutcomeRecorded, from_record
from shared.spine.clock import Clock
from tests.serving.toy import CONTRACT, NOW, contract

UNDER = contract()
ID = "r-1/0"


def body(*outcomes: Any) -> bytes:
    """A request body."""
    return json.dumps({"outcomes": outcomes}).encode()


@pytest.mark.parametrize(
    ("sent", "status", "field"),
    [
        (b"", 400, None),
        (b"[]", 422, "body"),
        (b"{}", 422, "body"),
        (body(), 422, "outcomes"),
        (body(*[{"prediction_id": ID, "label": "late"}] * 1001), 422, "outcomes"),
        (body({"label": "late"}), 422, "outcomes[0]"),
        (body({"prediction_id": "r-1", "label": "late"}), 422, "prediction_id"),
        (body({"prediction_id": "../x/0", "label": "late"}), 422, "prediction_id"),
        (body({"prediction_id": ID, "label": "early"}), 422, "label"),
        (body({"prediction_id": ID}), 422, "label"),
        (body({"prediction_id": ID, "label": "late", "value": 1.0}), 422, "value"),
        (body({"prediction_id": ID, "label": 5}), 422, "outcomes[0].label"),
        (body({"prediction_id": ID, "label": "late", "known_at": "today"}), 422, "known_at"),
        (body({"prediction_id": ID, "label": "late", "known_at": "2013-03-01T00:00:00"}), 422, "known_at"),
        (body({"prediction_id": ID, "label": "late", "why": "x"}), 422, "why"),
        (b'{"outcomes": [{"prediction_id": "a/0", "prediction_id": "b/0", "label": "late"}]}', 422, "prediction_id"),
        (b'{"outcomes": [{"prediction_id": "a/0", "value": 1e999}]}', 422, "value"),
        (b'{"outcomes": [{"prediction_id": "a/0", "label": "\xff"}]}', 400, None),
    ],
)
def test_a_malformed_outcome_is_refused_by_name(sent: bytes, status: int, field: str | None) -> None:
    with pytest.raises(Refused) as refused:
        read_outcomes(UNDER, sent, NOW)
    assert (refused.value.status, refused.value.more.get("field")) == (status, field)


def test_a_regression_takes_a_number_within_the_labels_range() -> None:
    under = _regression()
    assert read_outcomes(under, body({"prediction_id": ID, "value": 3}), NOW)[0].value == 3.0
    for outcome in ({"value": 11}, {"label": "late"}, {}):
        with pytest.raises(Refused):
            read_outcomes(under, body({"prediction_id": ID, **outcome}), NOW)


async def test_outcomes_become_events_of_500_that_the_catalogue_reads(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    await journal.open()
    outcomes = Outcomes(journal, Served(contracts={"trains": UNDER}), Clock("replay", NOW), "serving/0")
    sent = [{"prediction_id": f"r/{n}", "label": "late", "known_at": "2013-03-01T09:00:00+01:00"} for n in range(700)]
    answer = await outcomes.answer("trains", body(*sent))
    assert (answer.status, json.loads(answer.body)) == (200, {"accepted": 700})
    events = []
    for _, _, head, payload in segments.read(segments.path_of(tmp_path, 1)):
        _, start = entries.decode_head(payload)
        for message, value in entries.bodies(head, payload, start):
            event = from_record(OutcomeRecorded, value, [(n, v.encode()) for n, v in message.headers])
            assert message.key == event.key
            events.append(event)
    assert [len(event.outcomes) for event in events] == [500, 200]
    assert events[0].outcomes[0].known_at.hour == 8
    assert (await outcomes.answer("planes", body(*sent))).status == 404
    journal.close()


def _regression() -> Contract:
    text = CONTRACT.replace("task: binary", "task: regression").replace("without_model: none", "without_model: 1")
    start, end = text.index("decisions:"), text.index("without_model")
    text = text[:start] + "costs: {under: 3.00, over: 1.00}\n" + text[end:]
    return contract_from(text.replace("classes: [on_time, late]", "range: [0, 10]"))


def contract_from(text: str) -> Contract:
    """A contract from its text."""
    from shared.contract.read import read_contract

    return read_contract(text)
