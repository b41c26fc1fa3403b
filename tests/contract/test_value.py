"""Realised money: exact, additive, rounded half to even once per row."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contract import CONSTANT, ESTIMATE, Money, OutcomeError, cost_minor, money, outcome_problem, value_minor
from tests.contract.written import REGRESSION, policy

TRAINS, AMOUNT = policy(), policy(REGRESSION)
FINE = policy(REGRESSION, ("under: 3.00", "under: 0.01"), ("over: 1.00", "over: 0.01"))
number = st.floats(0, 500, allow_nan=False)


def test_a_classification_costs_what_its_table_says() -> None:
    assert cost_minor(TRAINS, "none", (0.2,), "late") == 500
    assert cost_minor(TRAINS, "review", (0.2,), "on_time") == 60
    assert value_minor(TRAINS, "act", (0.2,), "late") == 500
    assert value_minor(TRAINS, "act", (0.2,), "on_time") == -100


def test_value_adds_up_to_the_minor_unit() -> None:
    rows = [("act", "late"), ("review", "late"), ("none", "late"), ("act", "on_time")] * 1000
    total = sum((money(TRAINS, value_minor(TRAINS, one, (), label)) for one, label in rows), Money(0, "EUR", 2))
    assert total == Money((500 + 440 + 0 - 100) * 1000, "EUR", 2)


def test_a_tenth_of_a_unit_is_not_a_binary_fraction() -> None:
    assert cost_minor(AMOUNT, ESTIMATE, (0.3,), value=0.1) == 20
    assert cost_minor(AMOUNT, ESTIMATE, (0.1,), value=0.3) == 60


@pytest.mark.parametrize(("missed", "cents"), [(0.5, 0), (1.5, 2), (2.5, 2), (3.5, 4), (2.5000001, 3)])
def test_half_a_cent_goes_to_the_even_one(missed: float, cents: int) -> None:
    assert cost_minor(FINE, ESTIMATE, (missed,), value=0.0) == cents
    assert cost_minor(FINE, ESTIMATE, (0.0,), value=missed) == cents


@given(number, number)
def test_a_regression_pays_its_rate_for_each_unit_missed(estimate: float, value: float) -> None:
    missed = Fraction(repr(estimate)) - Fraction(repr(value))
    exact = missed * 100 if missed > 0 else -missed * 300
    paid = cost_minor(AMOUNT, ESTIMATE, (estimate,), value=value)
    assert abs(paid - exact) <= Fraction(1, 2)
    assert 0 <= paid <= 500 * 300
    without = cost_minor(AMOUNT, CONSTANT, (estimate,), value=value)
    assert value_minor(AMOUNT, ESTIMATE, (estimate,), value=value) == without - paid


def test_an_estimate_outside_the_range_costs_as_at_its_edge() -> None:
    assert cost_minor(AMOUNT, ESTIMATE, (1e300,), value=0.0) == 500 * 100


@pytest.mark.parametrize(("label", "value"), [(None, None), ("lost", None), (None, 3.0)])
def test_an_outcome_that_is_no_class_is_refused(label: str | None, value: float | None) -> None:
    assert outcome_problem(TRAINS, label, value)
    with pytest.raises(OutcomeError, match="not one of on_time, late"):
        cost_minor(TRAINS, "none", (0.2,), label, value)


@pytest.mark.parametrize("value", [None, -0.1, 500.1, float("nan"), float("inf")])
def test_an_outcome_outside_the_range_is_refused(value: float | None) -> None:
    assert outcome_problem(AMOUNT, None, value)
    with pytest.raises(OutcomeError, match="from 0 to 500"):
        cost_minor(AMOUNT, ESTIMATE, (0.2,), None, value)


def test_a_decision_the_policy_does_not_know_has_no_cost() -> None:
    for known, label, value in ((TRAINS, "late", None), (AMOUNT, None, 3.0)):
        with pytest.raises(KeyError):
            cost_minor(known, "flip-a-coin", (0.2,), label, value)


def test_two_currencies_do_not_add_up() -> None:
    with pytest.raises(ValueError, match="do not add up"):
        Money(1, "EUR", 2) + Money(1, "USD", 2)
