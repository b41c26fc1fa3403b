"""Awkward blocks are all answered, and money adds up."""

import datetime as dt
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.monitor.blocks import BlockReport, report_block
from shared.contract.schema import Contract
from shared.feedback.joined import joined
from tests.feedback.contracts import arrival_contract, flights_contract
from tests.feedback.streams import NOON, happened, served, store

DAY = dt.timedelta(days=1)
MIDNIGHT = NOON.replace(hour=0) + DAY
BLOCK = "2013-03-01"


def report(location: Path, days: float = 0, contract: Contract | None = None) -> BlockReport:
    now = MIDNIGHT + days * DAY
    contract = contract or flights_contract()
    return report_block(joined(location, contract.use_case, now, blocks=[BLOCK]), contract, BLOCK, now)


def test_an_empty_block_is_neither_green_nor_an_error(tmp_path: Path) -> None:
    seen = report(tmp_path)
    assert (seen.status, seen.volume, seen.coverage, seen.quality, seen.mature) == ("closed", 0, 0.0, {}, False)


@pytest.mark.parametrize(
    ("days", "status", "awaiting", "given_up"),
    [(0, "closed", 2, 0), (1.99, "closed", 2, 0), (2, "judged", 2, 0), (6.99, "judged", 2, 0), (7, "given_up", 0, 2)],
)
def test_a_block_without_labels_is_judged_and_given_up_by_time(
    tmp_path: Path, days: float, status: str, awaiting: int, given_up: int
) -> None:
    store(tmp_path, [served("a", [NOON] * 2)])
    seen = report(tmp_path, days)
    assert (seen.status, seen.awaiting, seen.given_up) == (status, awaiting, given_up)
    assert (seen.cost_minor, seen.value_minor, seen.coverage, seen.quality) == (0, 0, 0.0, {})


def test_a_block_with_all_labels_is_judged_at_once(tmp_path: Path) -> None:
    store(tmp_path, [served("a", [NOON] * 2)], [happened({"a/0": "late", "a/1": "on_time"})])
    seen = report(tmp_path)
    assert (seen.status, seen.mature, seen.coverage, seen.positives) == ("judged", True, 1.0, 1)


def test_labels_that_only_some_decisions_show_make_a_block_mature_and_selected(tmp_path: Path) -> None:
    contract = flights_contract(
        label={
            "name": "late",
            "classes": ["on_time", "late"],
            "observed_when": ["act"],
            "mature_after": "2d",
            "give_up_after": "7d",
        }
    )
    store(tmp_path, [served("a", [NOON] * 2, decisions=["act", "none"])], [happened({"a/0": "late"})])
    seen = report(tmp_path, contract=contract)
    assert (seen.status, seen.selected, seen.awaiting) == ("judged", True, 1)


def test_money_covers_labelled_rows_only_and_is_exact(tmp_path: Path) -> None:
    decisions = ["act", "act", "none", "none", "review", "act"]
    labels = {"a/0": "late", "a/1": "on_time", "a/2": "late", "a/3": "on_time", "a/4": "late"}
    store(tmp_path, [served("a", [NOON] * 6, decisions=decisions)], [happened(labels)])
    seen = report(tmp_path, 2)
    assert seen.cost_minor == 0 + 100 + 500 + 0 + 60
    assert seen.cost_without_model_minor == 3 * 500
    assert seen.value_minor == seen.cost_without_model_minor - seen.cost_minor
    assert seen.decisions == {"act": 3, "none": 2, "review": 1}
    assert (seen.capacity_limit, seen.capacity_used) == ({"review": 2}, {"review": 1})


def test_quality_is_measured_over_labelled_rows(tmp_path: Path) -> None:
    scores = [0.1, 0.4, 0.4, 0.8, 0.9]
    labels = {"a/0": "on_time", "a/1": "on_time", "a/2": "late", "a/3": "late"}
    store(tmp_path, [served("a", [NOON] * 5, scores=scores)], [happened(labels)])
    seen = report(tmp_path)
    assert seen.quality["auc"] == 0.875
    assert seen.quality["brier"] == pytest.approx((0.01 + 0.16 + 0.36 + 0.04) / 4)


def test_one_row_has_no_auc(tmp_path: Path) -> None:
    store(tmp_path, [served("a")], [happened({"a/0": "late"})])
    assert set(report(tmp_path).quality) == {"brier", "log_loss"}


def test_a_corrected_label_changes_the_money(tmp_path: Path) -> None:
    told = [happened({"a/0": "on_time"}), happened({"a/0": "late"}, NOON + 3 * DAY)]
    store(tmp_path, [served("a")], told)
    assert [report(tmp_path, days).cost_minor for days in (0, 3)] == [100, 0]


def test_a_label_that_the_contract_does_not_know_is_no_label(tmp_path: Path) -> None:
    store(tmp_path, [served("a")], [happened({"a/0": "sometimes"})])
    assert report(tmp_path).labelled == 0


def test_broken_limits_are_incidents(tmp_path: Path) -> None:
    kpis = {"cost_per_case": {"ceiling": 0.45}, "reviews_per_day": {"ceiling": 1}, "auc": {"floor": 0.9}}
    contract = flights_contract(kpis=kpis)
    event = served("a", [NOON] * 3, decisions=["review", "review", "act"])
    flagged = event.model_copy(update={"flagged": [["distance"], [], []]})
    store(tmp_path, [flagged], [happened({"a/0": "late", "a/1": "on_time", "a/2": "on_time"})])
    flags, *limits = report(tmp_path, contract=contract).incidents
    assert flags.startswith("1 of 3 decisions had a feature outside")
    assert limits == [
        "auc is 0.5, below its floor 0.9",
        "cost_per_case is 0.733333, above its ceiling 0.45",
        "reviews_per_day is 2, above its ceiling 1",
    ]


def test_limits_on_labels_wait_until_the_block_is_mature(tmp_path: Path) -> None:
    contract = flights_contract(kpis={"cost_per_case": {"ceiling": 0.0}})
    store(tmp_path, [served("a", [NOON] * 2)], [happened({"a/0": "on_time"})])
    assert [len(report(tmp_path, days, contract).incidents) for days in (0, 2)] == [0, 1]


def test_a_regression_pays_per_unit(tmp_path: Path) -> None:
    contract = arrival_contract()
    event = served("a", [NOON] * 2, scores=[12.5, 300.0], decisions=["estimate"] * 2, use_case="arrival")
    told = happened({"a/0": "x", "a/1": "x"}, use_case="arrival")
    values = [
        outcome.model_copy(update={"label": None, "value": value})
        for outcome, value in zip(told.outcomes, (10.0, 100.0), strict=True)
    ]
    store(tmp_path, [event], [told.model_copy(update={"outcomes": values})])
    seen = report(tmp_path, contract=contract)
    assert (seen.cost_minor, seen.cost_without_model_minor) == (250, 90 * 300)
    assert seen.quality == {"mae": 1.25, "rmse": pytest.approx((2.5**2 / 2) ** 0.5)}
    assert seen.status == "judged"


ROWS = st.lists(
    st.tuples(
        st.integers(0, 3), st.sampled_from(["none", "act", "review"]), st.sampled_from(["late", "on_time", None])
    ),
    min_size=1,
    max_size=25,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS)
def test_the_blocks_add_up_to_the_table(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[int, str, str | None]]
) -> None:
    location, contract = tmp_path_factory.mktemp("table"), flights_contract()
    events = [served(f"r{i}", [NOON + day * DAY], decisions=[decision]) for i, (day, decision, _) in enumerate(rows)]
    told = [happened({f"r{i}/0": label}) for i, (_, _, label) in enumerate(rows) if label]
    store(location, [*events, *events[:3]], told)
    now = NOON + 30 * DAY
    reports = [
        report_block(joined(location, "flights", now, blocks=[block]), contract, block, now)
        for block in sorted({block for event in events for block in event.blocks})
    ]
    cost = {
        "none": {"on_time": 0, "late": 500},
        "act": {"on_time": 100, "late": 0},
        "review": {"on_time": 60, "late": 60},
    }
    direct = joined(location, "flights", now).filter(pl.col("label").is_not_null()).select("decision", "label").rows()
    assert sum(report.cost_minor for report in reports) == sum(cost[decision][label] for decision, label in direct)
    assert sum(report.value_minor for report in reports) == sum(
        cost["none"][label] - cost[decision][label] for decision, label in direct
    )
    assert sum(report.volume for report in reports) == len(rows)
    for one in reports:
        assert one.labelled + one.awaiting + one.given_up == one.volume == sum(one.decisions.values())
