"""The report prices the table's rows straight from the cost table, and looks at the desk day by day."""

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from headrace.demo_report import days, months, reviews, served_otherwise
from headrace.loop_report import History
from headrace.pricing import with_money
from shared.contract import Policy, Rule
from tests.events.records import example

HOUR = timedelta(hours=1)

POLICY = Policy(
    task="binary",
    classes=("on_time", "late"),
    rules=(
        Rule(name="none", costs=(0, 500)),
        Rule(name="act", costs=(100, 0)),
        Rule(name="review", costs=(60, 60), capacity=2),
    ),
    without_model="none",
    currency="USD",
    minor_digits=2,
)


def rows(*cases: tuple[str, str, str | None, float]) -> pl.DataFrame:
    columns: dict[str, Any] = {
        "block": [case[0] for case in cases],
        "decision": [case[1] for case in cases],
        "label": [case[2] for case in cases],
        "scores": [[case[3]] for case in cases],
        "release_sequence": [1] * len(cases),
    }
    return pl.DataFrame(columns, schema_overrides={"label": pl.String})


CASES = rows(
    ("2013-03-31", "none", "late", 0.1),
    ("2013-03-31", "review", "on_time", 0.3),
    ("2013-04-01", "act", "late", 0.9),
    ("2013-04-01", "none", None, 0.2),
)


def test_only_labelled_rows_cost_and_each_costs_what_the_table_says() -> None:
    priced = with_money(CASES, POLICY)
    assert priced["cost_minor"].to_list() == [500, 60, 0, None]
    assert priced["without_minor"].to_list() == [500, 0, 500, None]


def test_months_and_days_add_up_to_the_same_money() -> None:
    priced = with_money(CASES, POLICY)
    by_month, by_day = months(priced, POLICY), days(priced, POLICY)
    assert [line["month"] for line in by_month] == ["2013-03", "2013-04"]
    assert sum(line["cost_minor"] for line in by_month) == sum(line["cost_minor"] for line in by_day) == 560
    assert [line["volume"] for line in by_month] == [2, 2]
    assert by_month[0]["auc"] == 0.0


def test_the_desk_is_counted_on_quiet_days_too() -> None:
    assert reviews(with_money(CASES, POLICY), POLICY, {1: 2}) == {
        "decision": "review",
        "capacity": 2,
        "max_per_day": 1,
        "min_per_day": 0,
        "days_over": [],
    }


def test_a_day_is_held_against_the_capacity_that_was_in_force_on_it() -> None:
    busy = rows(*[("2013-04-02", "review", "late", 0.3)] * 2)
    assert reviews(with_money(busy, POLICY), POLICY, {1: 1})["days_over"] == ["2013-04-02"]
    changed = busy.with_columns(release_sequence=pl.Series([1, 2]))
    assert reviews(with_money(changed, POLICY), POLICY, {1: 1, 2: 2})["days_over"] == []


def test_a_decision_of_another_version_than_the_released_one_is_counted() -> None:
    noon = datetime(2013, 4, 1, 12, tzinfo=UTC)
    first = example("model_released").model_copy(update={"time": noon, "sequence": 1, "package_digest": "a" * 64})
    second = first.model_copy(update={"time": noon + HOUR, "sequence": 2, "package_digest": "b" * 64})
    right = [(noon, 1, "a"), (noon + HOUR, 2, "b")]
    wrong = [(noon + HOUR, 1, "a"), (noon + 2 * HOUR, 2, "a"), (noon - HOUR, 1, "a")]
    served = right + wrong
    columns = {
        "event_time": [at for at, _, _ in served],
        "release_sequence": [sequence for _, sequence, _ in served],
        "package_digest": [digest * 64 for _, _, digest in served],
    }
    assert served_otherwise(pl.DataFrame(columns), History([first, second])) == 3
