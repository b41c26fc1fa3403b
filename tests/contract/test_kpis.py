"""A measured KPI of the contract: how a block's number is made, what is refused, and which words a contract needs."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contract import Contract, ContractError
from shared.contract.kpis import AMONG_ITS_VALUES, Aggregation, Kpi, aggregate, measurement_fault
from tests.contract.written import BINARY, contract

CONTACTS = "kpis: {contacts: {aggregation: mean, unit: contacts, ceiling: 0.4, range: [0, 2]}}"


def measured(kpis: str = CONTACTS, rollback: str = "") -> Contract:
    return contract(BINARY, ("signed_by", f"{kpis}\n{rollback}signed_by"))


def test_a_contract_without_measured_kpis_keeps_its_digest() -> None:
    written = contract(BINARY, ("signed_by", "kpis: {cost_per_case: {ceiling: 0.4}}\nsigned_by"))
    assert written.to_json()["kpis"] == {"cost_per_case": {"ceiling": 0.4}}
    assert "unit" in measured().to_json()["kpis"]["contacts"]


@pytest.mark.parametrize(
    ("how", "number"),
    [
        ("mean", 4.0), ("sum", 20.0), ("count", 5.0), ("min", 1.0), ("max", 9.0), ("last", 5.0),
        ("median", 3.0), ("p90", 9.0), ("p95", 9.0), ("p99", 9.0),
    ],
)  # fmt: skip
def test_each_aggregation_makes_its_number(how: Aggregation, number: float) -> None:
    assert aggregate(how, [9.0, 1.0, 3.0, 2.0, 5.0]) == number


def test_a_quantile_is_counted_in_whole_values() -> None:
    ten = [float(value) for value in range(1, 11)]
    assert (aggregate("p90", ten), aggregate("median", ten), aggregate("p99", ten)) == (9.0, 5.0, 10.0)
    assert aggregate("p90", [7.0]) == 7.0


@given(st.lists(st.floats(0, 2), min_size=1), st.sampled_from(sorted(AMONG_ITS_VALUES)), st.randoms())
def test_numbers_lie_in_the_range_of_their_values_in_whatever_order_they_come(
    values: list[float], how: Aggregation, order: random.Random
) -> None:
    number = aggregate(how, values)
    assert min(values) <= number <= max(values) + 1e-12
    other = list(values)
    order.shuffle(other)
    assert how == "last" or aggregate(how, other) == number


@pytest.mark.parametrize(
    ("name", "value", "unit", "said"),
    [
        ("contact", 0.1, "contacts", "name: the contract has no measured KPI 'contact'; its measured KPIs: contacts"),
        ("contacts", 0.1, "calls", "unit: contacts is measured in 'contacts', not in 'calls'"),
        ("contacts", 2.5, "contacts", "value: 2.5 is outside the range of contacts, 0 to 2"),
        ("contacts", 2.0, "contacts", None),
    ],
)
def test_what_cannot_be_counted_names_its_field_and_what_is_allowed(
    name: str, value: float, unit: str, said: str | None
) -> None:
    assert measurement_fault(measured().kpis, name, value, unit) == said


def test_the_range_of_a_sum_does_not_bind_its_values() -> None:
    kpis = {"minutes": Kpi(aggregation="sum", unit="minutes", ceiling=60, range=(0, 100))}
    assert measurement_fault(kpis, "minutes", 101, "minutes") is None
    assert measurement_fault({"cost": Kpi(ceiling=1)}, "cost", 1, "x") == (
        "name: the contract has no measured KPI 'cost'; its measured KPIs: none"
    )


def test_a_limit_itself_is_kept_and_beyond_it_is_broken() -> None:
    kpi = Kpi(aggregation="mean", unit="contacts", floor=0.1, ceiling=0.4)
    assert [kpi.broken_by(value) for value in (0.05, 0.1, 0.4, 0.41)] == ["floor", None, None, "ceiling"]


@pytest.mark.parametrize(
    ("kpi", "rollback", "said"),
    [
        ("{aggregation: mean, ceiling: 1}", "", "`unit` is missing"),
        ("{aggregation: most, unit: x, ceiling: 1}", "", "is not allowed here"),
        ("{aggregation: mean, unit: x}", "", "neither ceiling nor floor"),
        ("{unit: x, ceiling: 1}", "", "only a measured KPI has it"),
        ("{mature_after: 2d, ceiling: 1}", "", "only a measured KPI has it"),
        ("{aggregation: mean, unit: x, ceiling: 1, against: last_good, clip: 1}", "", "cannot be paired"),
        ("{aggregation: mean, unit: x, ceiling: 1, mature_after: 31d}", "", "longer than values are kept"),
        ("{aggregation: mean, unit: x, ceiling: 1}", "rollback: {on: [calls]}\n", "`range` is missing"),
        (
            "{aggregation: mean, unit: x, ceiling: 2, range: [0, 2]}",
            "rollback: {on: [calls]}\n",
            "2 is not inside the range: no evidence could ever show that it is broken",
        ),
    ],
)
def test_a_measured_kpi_that_cannot_work_is_explained(kpi: str, rollback: str, said: str) -> None:
    with pytest.raises(ContractError, match=said):
        measured(f"kpis: {{calls: {kpi}}}", rollback)


@pytest.mark.parametrize("name", ["cost_per_case", "error_rate", "reviews_per_day", "act_per_day", "brier"])
def test_what_the_monitor_computes_cannot_be_measured(name: str) -> None:
    with pytest.raises(ContractError, match="is computed here"):
        measured(f"kpis: {{{name}: {{aggregation: mean, unit: x, ceiling: 1}}}}")


def test_a_rollback_may_rest_on_a_measured_kpi() -> None:
    assert measured(rollback="rollback: {on: [contacts]}\n").rollback.on == ("contacts",)
