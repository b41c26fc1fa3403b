"""Gates measure the held-out rows themselves, and name the number and the limit."""

from dataclasses import dataclass

import pytest

from services.registry.gates import Verdict, judge, measure
from shared.contract import Contract, derive_policy
from shared.contract.read import read_contract
from tests.contract.written import MULTICLASS, REGRESSION
from tests.registry.toy import contract


@dataclass(frozen=True)
class Scored:
    block: str
    scores: tuple[float, ...]
    label: str | None = None
    value: float | None = None
    flagged: bool = False
    volume: int = 0


def block(name: str, *rows: tuple[float, str | None], volume: int | None = None) -> list[Scored]:
    return [Scored(name, (score,), label, volume=volume or len(rows)) for score, label in rows]


def verdicts(rules: Contract, rows: list[Scored]) -> dict[str, Verdict]:
    return {verdict.gate: verdict for verdict in judge(rules, measure(derive_policy(rules), rows))}


GOOD = block("d1", (0.9, "late"), (0.05, "on_time"), (0.95, "late"), (0.02, "on_time")) + block(
    "d2", (0.01, "on_time"), (0.9, "late"), (0.1, "on_time")
)


def test_a_good_package_passes_every_gate_of_its_contract() -> None:
    rules = contract(("max_brier: 0.25", "max_brier: 0.25, min_auc: 0.9"))
    found = verdicts(rules, GOOD)
    assert list(found) == [
        "beats_without_model",
        "beats_best_constant",
        "reviews_within_capacity",
        "max_brier",
        "min_auc",
    ]
    assert all(verdict.passed for verdict in found.values())
    assert found["min_auc"].measured == 1.0


def test_value_is_counted_against_deciding_without_a_model() -> None:
    # Three late trains, 5.00 each without a model; each act on a late one costs nothing.
    found = verdicts(contract(), GOOD)["beats_without_model"]
    assert (found.measured, found.limit) == (1500.0, 0.0)
    assert "15.00 EUR" in found.explanation


def test_what_rests_on_labels_that_only_some_decisions_show_says_so() -> None:
    chosen = contract(("late], mature", "late], observed_when: [act, review], mature"))
    marked = {
        gate for gate, verdict in verdicts(chosen, GOOD).items() if "after act or review only" in verdict.explanation
    }
    assert marked == {"beats_without_model", "beats_best_constant", "max_brier"}
    assert not any("selected" in verdict.explanation for verdict in verdicts(contract(), GOOD).values())


def test_a_package_that_loses_money_is_turned_down_with_the_number() -> None:
    rows = block("d1", (0.9, "on_time"), (0.9, "on_time"), (0.02, "on_time"))
    found = verdicts(contract(), rows)["beats_without_model"]
    assert (found.passed, found.measured, found.limit) == (False, -200.0, 0.0)


def test_being_no_better_than_always_acting_is_not_enough() -> None:
    rows = block("d1", (0.9, "late"), (0.9, "late"), (0.9, "on_time"))
    found = verdicts(contract(), rows)
    assert found["beats_without_model"].passed
    assert (found["beats_best_constant"].passed, found["beats_best_constant"].limit) == (False, 900.0)


def test_a_constant_with_a_capacity_gets_its_first_cases_only() -> None:
    rules = contract(("limit: 40", "limit: 1"), ("on_time: 1.00, late: 0.00", "on_time: 9.00, late: 9.00"))
    rows = block("d1", (0.05, "late"), (0.05, "late"), (0.05, "on_time"))
    # Always reviewing takes the first case (0.60 instead of 5.00); the rest is decided without a model.
    assert verdicts(rules, rows)["beats_best_constant"].limit == 440.0


def test_demand_is_the_mean_over_blocks_before_the_cap() -> None:
    unsure = (0.3, "on_time")
    rows = block("d1", unsure, unsure, unsure) + block("d2", unsure, (0.01, "on_time"))
    within = verdicts(contract(("limit: 40", "limit: 2")), rows)["reviews_within_capacity"]
    above = verdicts(contract(("limit: 40", "limit: 1")), rows)["reviews_within_capacity"]
    assert (within.passed, within.measured, within.limit) == (True, 2.0, 2.0)
    assert (above.passed, above.measured, above.limit) == (False, 2.0, 1.0)


def test_a_sample_counts_for_its_whole_block() -> None:
    whole = verdicts(contract(), block("d1", (0.9, "late"), (0.3, "late"), (0.05, "on_time"), (0.3, "on_time")))
    rows = block("d1", (0.9, "late"), (0.3, "late"), (0.05, "on_time"), (0.3, "on_time"), volume=40)
    sampled = verdicts(contract(), rows)
    for gate in ("beats_without_model", "beats_best_constant", "reviews_within_capacity"):
        assert sampled[gate].measured == pytest.approx(10 * (whole[gate].measured or 0))
    assert sampled["max_brier"].measured == whole["max_brier"].measured


def test_a_sample_has_its_share_of_the_capacity() -> None:
    rules = contract(("limit: 40", "limit: 10"))
    rows = block("d1", *[(0.3, "late")] * 4, volume=20)
    # 10 of 20 may be reviewed, so 2 of these 4; acting costs nothing on the others.
    assert verdicts(rules, rows)["beats_without_model"].measured == 5 * (4 * 500 - 2 * 60)


def test_rows_without_a_label_take_capacity_and_no_money() -> None:
    found = verdicts(contract(), [*GOOD, *block("d3", (0.9, None))])
    assert found["beats_without_model"].measured == 1500.0
    only = verdicts(contract(), block("d3", (0.9, None)))
    assert list(only) == ["holdout"]
    assert not only["holdout"].passed
    assert not verdicts(contract(), [])["holdout"].passed


def test_auc_of_one_class_cannot_be_judged_and_does_not_pass() -> None:
    rules = contract(("max_brier: 0.25", "min_auc: 0.6"))
    found = verdicts(rules, block("d1", (0.9, "late"), (0.8, "late")))["min_auc"]
    assert (found.passed, found.measured) == (False, None)


def test_a_brier_above_the_limit_is_turned_down() -> None:
    found = verdicts(contract(("max_brier: 0.25", "max_brier: 0.001")), GOOD)["max_brier"]
    assert not found.passed
    assert found.limit == 0.001


def test_gates_that_are_off_are_not_asked() -> None:
    off = "gates: {beats_without_model: false, reviews_within_capacity: false}"
    assert verdicts(contract(("gates: {max_brier: 0.25}", off)), GOOD) == {}


def test_a_regression_competes_with_the_best_constant_estimate() -> None:
    rules = read_contract(REGRESSION + "gates: {max_error: 2}\n")
    values = (100.0, 200.0, 150.0, 120.0)
    rows = [Scored("d1", (value + 1,), value=value, volume=4) for value in values]
    found = verdicts(rules, rows)
    assert list(found) == ["beats_without_model", "beats_best_constant", "max_error"]
    assert all(verdict.passed for verdict in found.values())
    assert found["max_error"].measured == 1.0
    # Without a model 120: 20 over, 80, 30 and 0 under. In hindsight 200 would be best: 100, 0, 50 and 80 over.
    without, constant = 20 * 100 + 110 * 300, (100 + 50 + 80) * 100
    assert found["beats_without_model"].measured == without - 4 * 100
    assert found["beats_best_constant"].limit == without - constant


def test_several_classes_are_judged_together() -> None:
    rules = read_contract(MULTICLASS + "gates: {max_brier: 0.5, min_auc: 0.6}\n")
    sure = {"on_time": (0.9, 0.05, 0.05), "late": (0.05, 0.9, 0.05), "cancelled": (0.05, 0.05, 0.9)}
    rows = [Scored("d1", scores, label, volume=3) for label, scores in sure.items()]
    found = verdicts(rules, rows)
    assert found["min_auc"].measured == 1.0
    assert found["max_brier"].measured == pytest.approx(0.1**2 + 2 * 0.05**2)
