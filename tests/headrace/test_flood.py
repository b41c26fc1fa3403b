"""What a desk would get without the contract's capacity, from the scores that were served."""

import polars as pl

from headrace.demo_report import labels, reviews
from headrace.flood import flood
from headrace.month_lines import selected, title
from headrace.pricing import with_money
from shared.contract import Policy, Rule, read_contract
from tests.contract.written import BINARY
from tests.headrace.test_demo_report import rows

POLICY = Policy(
    task="binary",
    classes=("on_time", "late"),
    rules=(
        Rule(name="none", costs=(0, 500)),
        Rule(name="review", costs=(60, 60), capacity=1, shadow_price=100.0),
    ),
    without_model="none",
    currency="EUR",
    minor_digits=2,
)
# 0.3 and 0.2 are worth a review; so would 0.13 be, were there no price.
CASES = rows(
    ("2025-03-03", "review", "late", 0.3),
    ("2025-03-03", "none", "late", 0.2),
    ("2025-03-03", "none", None, 0.13),
    ("2025-03-04", "none", "on_time", 0.01),
).with_columns(flagged=pl.Series([[]] * 4, dtype=pl.List(pl.String)), arm=pl.lit("model"))


def test_without_capacity_every_case_that_is_worth_it_goes_to_the_desk() -> None:
    priced = with_money(CASES, POLICY)
    found = flood(priced, POLICY, {1: 1})
    assert found is not None
    assert (found["min_per_day"], found["max_per_day"], found["days_over"]) == (0, 3, ["2025-03-03"])
    assert found["by_day"] == {"2025-03-03": 3, "2025-03-04": 0}
    assert reviews(priced, POLICY, {1: 1})["days_over"] == []


def test_its_cost_covers_the_cases_whose_label_is_known() -> None:
    found = flood(with_money(CASES, POLICY), POLICY, {1: 1})
    assert found is not None
    assert (found["labelled"], found["cost_minor"]) == (3, 60 + 60 + 0)


def test_a_desk_without_a_limit_cannot_be_flooded() -> None:
    free = POLICY.model_copy(update={"rules": (Rule(name="none", costs=(0, 500)),)})
    assert flood(with_money(CASES, free), free, {}) is None


def test_labels_that_only_some_decisions_show_are_marked_wherever_they_count() -> None:
    always = labels(CASES, read_contract(BINARY))
    assert (always["selected"], always["never_seen"]) == (False, 0)
    chosen = labels(CASES, read_contract(BINARY.replace("mature_after", "observed_when: [review], mature_after")))
    assert (chosen["selected"], chosen["seen_after"], chosen["never_seen"]) == (True, ["review"], 3)
    report = {"use_case": "loans", "currency": "EUR", "simulated": True, "labels": chosen}
    assert selected(report) == " (selected)"
    assert title(report) == "loans by month (simulated data, selected labels; cost in EUR per case)"
