"""The contract as data: exact money, one digest for one meaning, and what each field refuses."""

import json
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from shared.contract import Contract, ContractError, read_contract
from tests.contract.written import BINARY, MULTICLASS, REGRESSION, contract

FLIGHTS = Path(__file__).parents[2] / "examples/flights_late/contract.yaml"


@pytest.mark.parametrize("text", [BINARY, MULTICLASS, REGRESSION, FLIGHTS.read_text(encoding="utf-8")])
def test_a_contract_survives_the_journey_through_json(text: str) -> None:
    original = read_contract(text)
    returned = Contract.model_validate(json.loads(json.dumps(original.to_json())))
    assert returned == original
    assert returned.digest == original.digest


def test_the_flights_contract_has_its_twenty_columns() -> None:
    flights = read_contract(FLIGHTS.read_text(encoding="utf-8"))
    assert len(flights.feature_names) == 20
    assert flights.categories == ("carrier", "origin", "dest")
    assert flights.numbers[0] == "sched_dep_time"
    assert flights.classes == ("on_time", "late")
    assert flights.decisions is not None
    assert flights.minor(flights.decisions["review"].costs["late"]) == 60


def test_a_contract_signed_before_the_limit_of_errors_keeps_its_digest() -> None:
    assert "max_error_rate" not in contract().to_json()["rollback"]
    limited = contract(BINARY, ("signed_by", "rollback: {max_error_rate: 0.2}\nsigned_by"))
    assert limited.to_json()["rollback"]["max_error_rate"] == limited.rollback.max_error_rate == 0.2


def test_the_way_money_is_written_does_not_reach_the_digest() -> None:
    assert contract().digest == contract(BINARY, ("late: 5.00", 'late: "5.0"'), ("on_time: 1.00", "on_time: 1")).digest


def test_another_order_of_the_decisions_is_another_contract() -> None:
    lines = BINARY.splitlines(keepends=True)
    lines[12], lines[13] = lines[13], lines[12]
    assert read_contract("".join(lines)).digest != contract().digest


def test_a_tenth_is_a_tenth() -> None:
    precise = contract(BINARY, ("currency: EUR", "currency: EUR\nminor_digits: 6"), ("0.60, late", "0.100001, late"))
    assert precise.decisions is not None
    assert precise.minor(precise.decisions["review"].costs["on_time"]) == 100_001


def test_a_case_costs_no_more_than_a_block_of_cases_can_hold() -> None:
    fine = ("currency: EUR", "currency: EUR\nminor_digits: 6")
    assert contract(BINARY, fine, ("late: 5.00", "late: 1000000")).digits == 6
    with pytest.raises(ContractError, match=r"one case could cost 1000000\.5 EUR.*at most 1000000 EUR"):
        contract(BINARY, fine, ("late: 5.00", "late: 1000000.5"))


def test_a_currency_without_cents_counts_whole_units() -> None:
    text = BINARY.replace("EUR", "JPY").replace(".00", "")
    with pytest.raises(ContractError, match=r"0\.6 has more digits than are counted"):
        read_contract(text)
    assert contract(text.replace("0.60", "60")).digits == 0


def test_an_unknown_currency_needs_its_digits() -> None:
    with pytest.raises(ContractError, match="the digits of XAG are not known"):
        contract(BINARY, ("EUR", "XAG"))
    assert contract(BINARY, ("EUR", "XAG\nminor_digits: 4")).digits == 4


@given(st.decimals(min_value=-1000, max_value=1000, places=2))
def test_every_amount_of_cents_is_counted_exactly(amount: Decimal) -> None:
    read = contract(BINARY, ("late: 5.00", f"late: {amount:f}"))
    assert read.decisions is not None
    assert read.minor(read.decisions["none"].costs["late"]) == int(amount * 100)
    assert Contract.model_validate(read.to_json()).digest == read.digest


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("use_case: late_trains", "use_case: Late-Trains", "does not fit"),
        ("use_case: late_trains", "use_case: " + "a" * 65, "does not fit"),
        ("source:load", "../evil:load", "does not fit"),
        ("source:load", "os.__import__:load", "does not fit"),
        ("source:load", "source:load:load", "does not fit"),
        ("mature_after: 1d", "mature_after: 1 month", "cannot be months"),
        ("mature_after: 1d", "mature_after: 4d", "shorter than mature_after"),
        ("[0, 2000]", "[2000, 0]", "is not below"),
        ("[0, 2000]", "[0, 1e999]", "must be a finite number"),
        ("[0, 2000]", "[0, true]", "must be a number"),
        ("{type: category}", "{type: category, range: [0, 1]}", "a category has no range"),
        ("{type: category}", "{type: category, levels: [A, A]}", "stands here twice"),
        ("{type: category}", "{type: category, levels: [" + "x" * 257 + "]}", "does not fit"),
        ("  km:", "  left_at:", "the event time is not an input"),
        ("  km:", "  late:", "the label cannot be an input"),
        ("limit: 2", "limit: -1", "greater than or equal to 0"),
        ("limit: 2", "limit: 2.5", "whole number"),
        ("limit: 2", "per: week, limit: 2", "is not allowed here"),
        ("without_model: none", "without_model: review", "has a capacity"),
        ("without_model: none", "without_model: nothing", "is not a decision"),
        ("without_model: none", "without_model: [none]", "must be a decision or a number"),
        ("[on_time, late]", "[on_time, late, lost]", "a binary label has 2 classes"),
        ("on_time: 1.00, late: 0.00", "on_time: 1.00", "the cost for late is missing"),
        ("on_time: 1.00, late: 0.00", "on_time: 1.00, late: cheap", "must be an amount of money"),
        ("late: 5.00", "late: 1e12", "between -1000000000 and 1000000000"),
        ("signed_by: {owner: desk}", "signed_by: {sponsor: desk}", "the owner has not signed"),
        ("signed_by", "control_share: 0.6\nsigned_by", "less than or equal to 0.5"),
        (
            "without_model: none",
            "without_model: none\nkpis: {regret: {against: last_good, ceiling: 0}}",
            "`clip` is missing",
        ),
        ("signed_by", "kpis: {cost: {range: [0, 5]}}\nsigned_by", "neither ceiling nor floor"),
        (
            "without_model: none",
            "without_model: none\nkpis: {cost: {ceiling: 6, range: [0, 5]}}",
            "outside the KPI's range",
        ),
        ("signed_by", "rollback: {on: [regret]}\nsigned_by", "is not one of the kpis"),
        ("signed_by", "rollback: {max_error_rate: 0}\nsigned_by", "greater than 0"),
        ("signed_by", "rollback: {max_error_rate: 1.5}\nsigned_by", "less than or equal to 1"),
        ("signed_by", "retraining: {on: [schedule]}\nsigned_by", "`every` is missing"),
        ("signed_by", "retraining: {every: 1 month}\nsigned_by", "a period without a schedule"),
        ("signed_by", "gates: {max_error: 3}\nsigned_by", "has no such gate"),
        ("signed_by", "gates: {beats_without_model: yes please}\nsigned_by", "true or false"),
        (
            "without_model: none",
            "without_model: none\ncosts: {under: 1, over: 1}",
            "costs per unit belong to a regression",
        ),
        ('pipeline: "pipeline:build"', 'pipeline: "pipeline:build", holdout: 36h', "must be whole days"),
    ],
)
def test_a_contract_that_contradicts_itself_is_refused(old: str, new: str, said: str) -> None:
    with pytest.raises(ContractError, match=said):
        contract(BINARY, (old, new))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (", range: [0, 500]", "", "`range` is missing"),
        ("without_model: 120", "without_model: 501", "constant estimate"),
        ("without_model: 120", "without_model: none", "constant estimate"),
        ("under: 3.00", "under: -3.00", "would pay for missing"),
        ("costs: {under: 3.00, over: 1.00}\n", "", "`costs` is missing"),
        ("range: [0, 500]", "range: [0, 500], classes: [few, many]", "has no classes"),
        ("range: [0, 500]", "range: [0, 500], observed_when: [act]", "no decisions to observe after"),
        ("without_model: 120", "without_model: 120\ngates: {max_brier: 0.1}", "has no such gate"),
    ],
)
def test_a_regression_needs_a_range_and_its_rates(old: str, new: str, said: str) -> None:
    with pytest.raises(ContractError, match=said):
        contract(REGRESSION, (old, new))


def test_a_contract_once_read_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        contract().owner = "someone-else"  # type: ignore[misc]


def test_more_than_a_thousand_columns_are_refused() -> None:
    many = "".join(f"  c{number}: {{type: number}}\n" for number in range(1000))
    with pytest.raises(ContractError, match="at most 1000"):
        contract(BINARY, ("  line:", many + "  line:"))
