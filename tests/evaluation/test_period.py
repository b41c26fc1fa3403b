"""What a period was worth: exact sums, intervals that say what they are, and estimates that stay beside the sums."""

import json
from typing import Any

import pytest

from shared.evaluation.arms import ArmTotals
from shared.evaluation.estimates import NOT_CAUSAL, Estimate, NotEstimated
from shared.evaluation.period import Against, Capacity, over_blocks, period_value
from shared.evaluation.reported import Reported, bound


def report(day: int, release: int = 1, **changes: Any) -> Reported:
    """A judged block of 100 cases that earned 10.00 more on each day."""
    value = 1000 * day
    numbers: dict[str, Any] = {
        "status": "judged", "volume": 100, "labelled": 98, "awaiting": 2, "given_up": 0, "selected": False,
        "decisions": {"act": 20, "none": 80}, "reasons": {"cost": 90, "capacity": 8, "flagged": 2},
        "capacity_limit": {"act": 20}, "capacity_used": {"act": 20}, "currency": "USD",
        "cost_minor": 5000, "cost_without_model_minor": 5000 + value, "value_minor": value, "incidents": [], "arms": {},
    }  # fmt: skip
    return Reported(f"2013-03-0{day}", release, "c", numbers | changes)


def test_realised_sums_are_exact_and_cover_every_reported_block() -> None:
    found = period_value("flights", [report(2), report(1), report(3, status="closed")], [2])
    assert (found.first, found.last, found.blocks, found.judged_blocks) == ("2013-03-01", "2013-03-03", 3, 2)
    assert (found.cost_minor, found.cost_without_model_minor, found.value_minor) == (15_000, 21_000, 6000)
    assert (found.volume, found.labelled, found.awaiting) == (300, 294, 6)
    assert found.decisions == {"act": 60, "none": 240}
    assert found.judged_value_minor == 3000


def test_the_interval_is_that_of_a_total_over_judged_blocks() -> None:
    # Student's t with one degree of freedom: 12.7062; the deviation of 1000 and 2000 is 707.1, of their sum 1000.
    assert over_blocks([1000, 2000]) == (3000 - 12_706, 3000 + 12_706)
    assert over_blocks([1000]) is None
    assert period_value("flights", [report(1), report(2)], [2]).judged_interval == over_blocks([1000, 2000])


def test_a_day_of_two_releases_is_one_block_with_one_capacity() -> None:
    parts = [
        report(1, 1, capacity_used={"act": 12}),
        report(1, 2, capacity_limit={"act": 10}, capacity_used={"act": 8}),
    ]
    found = period_value("flights", [*parts, report(2, 2, capacity_used={"act": 5})], [2])
    assert found.capacity == {"act": Capacity(limit=40, used=25, days=2, days_full=1)}
    assert (found.blocks, found.judged_interval) == (2, over_blocks([2000, 2000]))


def test_what_bound_is_named_for_each_block() -> None:
    free = report(2, capacity_used={"act": 19}, reasons={"cost": 100})
    assert bound([report(1), free]) == {"2013-03-01": ["act used up", "capacity", "flagged"], "2013-03-02": []}
    # Two releases share one desk: neither used it up alone.
    halves = [report(3, release, capacity_used={"act": 10}, reasons={"cost": 50}) for release in (1, 2)]
    assert bound(halves) == {"2013-03-03": ["act used up"]}
    assert [line["bound"] for line in period_value("flights", halves, [2]).by_block] == [["act used up"]] * 2


def test_the_forecast_of_judged_blocks_stays_beside_their_sum() -> None:
    reports = [report(1, forecast_minor=1650), report(2, forecast_minor=1320), report(3, 2)]
    open_ = report(4, status="closed", forecast_minor=1650)
    found = period_value("flights", [*reports, open_], [2])
    assert found.forecast == Against(
        forecast_minor=1650 + 1320,
        realised_minor=3000,
        difference_interval=over_blocks([1000 - 1650, 2000 - 1320]),
        blocks=2,
        without_forecast=1,
    )
    assert found.value_minor == 10_000
    assert [line["forecast_minor"] for line in found.by_block] == [1650, 1320, None, 1650]
    assert period_value("flights", [report(1), open_], [2]).forecast is None


def test_without_a_control_share_it_says_not_causal() -> None:
    found = period_value("flights", [report(1)], [2])
    assert (found.is_causal, found.causal, found.withheld_minor) == (False, NotEstimated(NOT_CAUSAL), None)
    said = json.loads(json.dumps(found.to_json()))
    assert (said["causal"]["causal"], said["causal"]["says"]) == (False, NOT_CAUSAL)
    assert said["judged"]["interval"] is None
    assert said["estimate_of_all_cases"] is None


def test_with_a_control_share_the_estimate_stands_beside_the_realised_sum() -> None:
    arms = {"control": ArmTotals(40, 40, 4000, 4000, 0.0, 0.0), "model": ArmTotals(60, 58, 2900, 5800, 0.0, 2.0)}
    plain = {name: vars(arm) for name, arm in arms.items()}
    found = period_value("flights", [report(1, arms=plain), report(2, status="closed", arms=plain)], [2])
    assert found.causal == Estimate(2900, 2900, 2900, 58, 40, 1)
    assert found.withheld_minor == 2000
    assert found.value_minor == 3000
    assert json.loads(json.dumps(found.to_json()))["causal"]["estimate"]["minor"] == 2900


def test_selected_labels_are_estimated_for_all_cases_from_the_audited() -> None:
    arms = {"model": ArmTotals(60, 58, 2900, 5800, 0.0, 0.0), "hidden": ArmTotals(40, 40, 400, 800, 0.0, 0.0)}
    found = period_value("loans", [report(1, selected=True, arms={name: vars(arm) for name, arm in arms.items()})], [2])
    assert found.of_all == Estimate(3300, 3300, 3300, 98, 40, 1)
    assert found.value_minor == 1000
    assert period_value("loans", [report(1, selected=True)], [2]).of_all is not None


def test_nothing_to_sum_and_sums_of_two_currencies_are_refused() -> None:
    with pytest.raises(ValueError, match="no block of this period is reported"):
        period_value("flights", [], [2])
    with pytest.raises(ValueError, match="the currency changed from USD to EUR"):
        period_value("flights", [report(1), report(2, currency="EUR")], [2])
    with pytest.raises(ValueError, match="the digits of USD that are counted changed"):
        period_value("flights", [report(1), report(2)], [2, 4])
