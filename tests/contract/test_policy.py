"""A policy: minor units, caps, and a price that brings the mean demand down to the capacity and no further."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from shared.contract import DayScores, Demand, Policy, derive_policy, mean_demand
from shared.contract.shadow_price import STEP
from tests.contract.written import BINARY, MULTICLASS, REGRESSION, contract, policy

TWO_DESKS = contract(
    BINARY, ("without_model", "  ask: {on_time: 0.80, late: 0.30, capacity: {limit: 1}}\nwithout_model")
)
days = st.lists(
    st.tuples(st.integers(0, 30), st.lists(st.tuples(st.floats(0, 1)), min_size=0, max_size=12)), min_size=1, max_size=4
)


def _demand(entries: list[tuple[int, list[tuple[float]]]]) -> Demand:
    return Demand(tuple(DayScores(f"d{n}", volume, tuple(scores)) for n, (volume, scores) in enumerate(entries)))


def _at(known: Policy, prices: dict[str, float]) -> Policy:
    rules = (rule.model_copy(update={"shadow_price": prices.get(rule.name, rule.shadow_price)}) for rule in known.rules)
    return known.model_copy(update={"rules": tuple(rules)})


@pytest.mark.parametrize("text", [BINARY, MULTICLASS, REGRESSION])
def test_a_policy_survives_the_journey_through_json(text: str) -> None:
    original = policy(text)
    assert Policy.model_validate(json.loads(json.dumps(original.model_dump(mode="json")))) == original


def test_costs_stand_in_minor_units_in_the_order_of_the_contract() -> None:
    known = policy()
    assert [(rule.name, rule.costs) for rule in known.rules] == [
        ("none", (0, 500)),
        ("act", (100, 0)),
        ("review", (60, 60)),
    ]
    assert known.limits == {"review": 2}
    assert policy(REGRESSION).rules[0].costs == (300, 100)


def test_the_price_is_zero_when_the_mean_demand_fits() -> None:
    busy, quiet = DayScores("busy", 4, ((0.3,),) * 4), DayScores("quiet", 9, ())
    calm = DayScores("calm", 4, ((0.01,),) * 4)
    assert mean_demand(policy(), Demand((busy, calm, quiet))) == {"none": 2.0, "act": 0.0, "review": 2.0}
    assert derive_policy(contract(), Demand((busy, calm, quiet))).rules[2].shadow_price == 0.0
    assert derive_policy(contract(), Demand((busy,))).rules[2].shadow_price > 0.0
    assert derive_policy(contract()).rules[2].shadow_price == 0.0


@given(days)
def test_the_price_is_the_smallest_that_fits(entries: list[tuple[int, list[tuple[float]]]]) -> None:
    demand = _demand(entries)
    priced = derive_policy(contract(), demand)
    price = priced.rules[2].shadow_price
    assert mean_demand(priced, demand)["review"] <= 2
    assert price % STEP == 0
    if price > 0:
        assert mean_demand(_at(priced, {"review": 0.0}), demand)["review"] > 2
        assert mean_demand(_at(priced, {"review": price - STEP}), demand)["review"] > 2


@settings(max_examples=50)
@given(days)
def test_two_scarce_decisions_find_prices_together(entries: list[tuple[int, list[tuple[float]]]]) -> None:
    demand = _demand(entries)
    wanted = mean_demand(derive_policy(TWO_DESKS, demand), demand)
    assert wanted["review"] <= 2
    assert wanted["ask"] <= 1


def test_a_sample_speaks_for_the_true_volume() -> None:
    sampled = Demand((DayScores("d", 400, ((0.3,), (0.01,))),))
    assert mean_demand(policy(), sampled)["review"] == 200.0


def test_a_regression_has_no_demand_for_people() -> None:
    assert mean_demand(policy(REGRESSION), Demand()) == {}


@pytest.mark.parametrize(
    "change", [{"capacity": -1}, {"shadow_price": -1.0}, {"shadow_price": float("inf")}, {"more": 1}]
)
def test_a_policy_that_cannot_be_is_refused(change: dict[str, float]) -> None:
    raw = policy().model_dump(mode="json")
    raw["rules"][2] |= change
    with pytest.raises(ValidationError):
        Policy.model_validate(raw)
