"""One decision: the cheapest in expectation, within what capacity is left, and why."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contract import CONSTANT, ESTIMATE, Policy, decide, estimate_of
from tests.contract.written import BINARY, MULTICLASS, REGRESSION, policy

TRAINS, THREE_WAYS, AMOUNT = policy(), policy(MULTICLASS), policy(REGRESSION)
FREE, FULL = {"review": 1}, {"review": 0}
chance = st.floats(0, 1, allow_nan=False)


def _priced(price: float) -> Policy:
    rules = tuple(rule.model_copy(update={"shadow_price": price if rule.capacity else 0.0}) for rule in TRAINS.rules)
    return TRAINS.model_copy(update={"rules": rules})


@given(chance, st.floats(0, 400), st.integers(-3, 3))
def test_the_decision_is_the_cheapest_that_is_allowed(p: float, price: float, left: int) -> None:
    priced = _priced(price)
    choice = decide(priced, (p,), {"review": left}, False)
    open_rules = [rule for rule in priced.rules if rule.capacity is None or left > 0]
    costs = {rule.name: (1.0 - p) * rule.costs[0] + p * rule.costs[1] for rule in priced.rules}
    # min takes the first of equals, which is the order of the contract.
    assert choice.decision == min(open_rules, key=lambda rule: costs[rule.name] + rule.shadow_price).name
    assert choice.expected_minor == costs[choice.decision]
    assert (choice.reason == "cost") == (choice.decision == min(costs, key=lambda name: costs[name]))


@given(chance, chance, chance)
def test_several_classes_are_weighed_likewise(a: float, b: float, c: float) -> None:
    choice = decide(THREE_WAYS, (a, b, c), FREE)
    costs = {rule.name: a * rule.costs[0] + b * rule.costs[1] + c * rule.costs[2] for rule in THREE_WAYS.rules}
    assert choice.decision == min(costs, key=lambda name: costs[name])


def test_of_equals_the_first_in_the_contract_is_taken() -> None:
    lines = BINARY.replace("late: 5.00", "late: 1.00").replace("0.60", "9.00").splitlines(keepends=True)
    assert decide(policy("".join(lines)), (0.5,), FREE).decision == "none"
    lines[12:14] = [lines[13], lines[12]]
    assert decide(policy("".join(lines)), (0.5,), FREE).decision == "act"


def test_a_full_desk_passes_the_case_on_and_says_why() -> None:
    assert decide(TRAINS, (0.3,), FREE)[:2] == ("review", "cost")
    assert decide(TRAINS, (0.3,), FULL)[:2] == ("act", "capacity")
    assert decide(TRAINS, (0.13,), FULL)[:2] == ("none", "capacity")
    assert decide(TRAINS, (0.9,), FULL)[:2] == ("act", "cost")


def test_a_price_keeps_the_desk_for_cases_that_are_worth_it() -> None:
    assert decide(_priced(20.0), (0.3,), FREE)[:2] == ("act", "capacity")
    assert decide(_priced(5.0), (0.3,), FREE)[:2] == ("review", "cost")


def test_a_flagged_case_is_decided_without_the_model() -> None:
    assert decide(TRAINS, (0.9,), FREE, flagged=True) == ("none", "flagged", 450.0)
    assert decide(AMOUNT, (77.0,), {}, flagged=True)[:2] == (CONSTANT, "flagged")


def test_a_regression_decides_by_its_estimate_within_the_range() -> None:
    assert decide(AMOUNT, (77.0,), {})[:2] == (ESTIMATE, "cost")
    assert [estimate_of(AMOUNT, ESTIMATE, (score,)) for score in (77.0, -3.0, 1e9)] == [77.0, 0.0, 500.0]
    assert estimate_of(AMOUNT, CONSTANT, (77.0,)) == 120.0


@pytest.mark.parametrize("scores", [(), (0.1, 0.9), (math.nan,), (math.inf,), (-math.inf,)])
def test_scores_that_say_nothing_are_refused(scores: tuple[float, ...]) -> None:
    for one in (TRAINS, AMOUNT):
        with pytest.raises(ValueError, match="score"):
            decide(one, scores, FREE)


def test_a_capped_decision_whose_count_is_not_given_is_an_error_and_not_a_licence() -> None:
    with pytest.raises(KeyError):
        decide(TRAINS, (0.3,), {})
