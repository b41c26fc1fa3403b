"""What an alarm costs, what that rests on, and when it only warns."""

import math
from dataclasses import dataclass
from typing import Any

import pytest

from services.monitor.impact import Impact, impact_of
from shared.contract.schema import Contract
from tests.feedback.contracts import flights_contract

CONTRACT = flights_contract()


@dataclass
class Reference:
    labelled: float = 30.0
    expected: float = 20.0

    def cost_per_case(self, contract: Contract) -> float:
        return self.labelled

    def expected_cost_per_case(self, contract: Contract) -> float:
        return self.expected


@dataclass
class Row:
    block: str
    judged: Any


def row(block: str, labelled: int, cost: int, estimated: dict[str, Any] | None = None) -> Row:
    return Row(block, {"volume": 100, "labelled": labelled, "cost_minor": cost, "estimated": estimated})


def test_labels_come_before_estimates() -> None:
    rows = [row("a", 50, 2_000), row("b", 50, 3_000, {"cost_minor": 1, "volume": 100})]
    assert impact_of(rows, Reference(), CONTRACT) == Impact(2_000, "labels")


def test_without_labels_the_scores_say_what_it_costs() -> None:
    rows = [row("a", 0, 0, {"cost_minor": 4_000, "volume": 100}), row("b", 0, 0, None)]
    assert impact_of(rows, Reference(), CONTRACT) == Impact(2_000, "scores")


def test_where_nothing_is_known_nothing_is_said() -> None:
    assert impact_of([], Reference(), CONTRACT) == Impact(0, "nothing")
    assert impact_of([row("a", 0, 0)], Reference(), CONTRACT) == Impact(0, "nothing")
    estimated = {"cost_minor": 1, "volume": 1}
    assert impact_of([row("a", 0, 0, estimated)], Reference(expected=math.nan), CONTRACT) == Impact(0, "nothing")


@pytest.mark.parametrize(
    ("least", "impact", "severity"),
    [
        (None, Impact(-500, "labels"), "action"),
        ("10.00", Impact(999, "labels"), "warning"),
        ("10.00", Impact(1_000, "labels"), "action"),
        ("10.00", Impact(999, "scores"), "warning"),
        ("10.00", Impact(0, "nothing"), "action"),
    ],
)
def test_only_a_known_impact_below_the_contracts_limit_is_a_warning(
    least: str | None, impact: Impact, severity: str
) -> None:
    contract = flights_contract(monitoring={} if least is None else {"least_impact": least})
    assert impact.severity(contract) == severity


def test_a_contract_without_a_limit_keeps_its_digest() -> None:
    assert "least_impact" not in str(CONTRACT.to_json())
    assert flights_contract(monitoring={"least_impact": "1.00"}).digest != CONTRACT.digest
