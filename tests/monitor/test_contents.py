"""What cannot be counted is named with its field before it reaches the tables."""

import datetime as dt

import pytest

from services.monitor.contents import outcome_problems, prediction_problem
from shared.contract.schema import Contract
from shared.events import Outcome, OutcomeRecorded, PredictionServed
from tests.feedback.contracts import arrival_contract, flights_contract
from tests.feedback.streams import NOON, happened, served

LOCAL = flights_contract(timezone="America/New_York")
LATE = dt.datetime(2013, 3, 2, 3, tzinfo=dt.UTC)


@pytest.mark.parametrize("contract", [None, flights_contract()])
def test_good_decisions_pass(contract: Contract | None) -> None:
    assert prediction_problem(served("a", [NOON] * 3), contract) is None


@pytest.mark.parametrize(
    ("event", "contract", "said"),
    [
        (served("a", block="garbage"), None, "block 'garbage' is not a day like 2013-03-01"),
        (served("a", block="20130301"), None, "does not lie in block 20130301"),
        (served("a", block="2013-03-04"), None, "does not lie in block 2013-03-04"),
        (served("a", [dt.datetime(9999, 12, 31, tzinfo=dt.UTC)]), None, "is not between 1970-01-02 and 2199-12-31"),
        (served("a", [dt.datetime(1, 1, 1, tzinfo=dt.UTC)]), None, "is not between"),
        (served("a", [LATE], block="2013-03-02"), LOCAL, "lies in block 2013-03-01, not '2013-03-02'"),
        (served("a", use_case="loans"), flights_contract(), "contract_digest belongs to flights"),
        (served("a", decisions=["fire"]), flights_contract(), "decisions.0: 'fire' is not one of none, act, review"),
        (
            served("a").model_copy(update={"scores": [[0.5, 0.5]]}),
            flights_contract(),
            "scores.0: 2 numbers, the contract has 1",
        ),
    ],
)
def test_bad_decisions_are_named(event: PredictionServed, contract: Contract | None, said: str) -> None:
    assert said in (prediction_problem(event, contract) or "")


def test_a_local_day_may_differ_from_the_utc_day() -> None:
    for contract in (None, LOCAL):
        assert prediction_problem(served("a", [LATE], block="2013-03-01"), contract) is None


def test_outcomes_are_checked_against_the_contract_in_force() -> None:
    assert outcome_problems(happened({"a/0": "late"}), flights_contract()) is None
    assert outcome_problems(happened({"a/0": "sometimes"}), None) is None
    assert "outcomes.0: label 'sometimes' is not one of on_time, late" in (
        outcome_problems(happened({"a/0": "sometimes"}), flights_contract()) or ""
    )
    assert "known_at" in (outcome_problems(happened({"a/0": "late"}, dt.datetime(1, 1, 1, tzinfo=dt.UTC)), None) or "")


def test_a_number_outside_the_label_range_is_refused() -> None:
    outcome = Outcome(prediction_id="a/0", value=101.0, known_at=NOON)
    event = OutcomeRecorded.begin(source="airport", time=NOON, use_case="arrival", outcomes=[outcome])
    assert "from 0 to 100" in (outcome_problems(event, arrival_contract()) or "")
