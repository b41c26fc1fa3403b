"""The report prices rows from the tables alone, and comes to what the contract's own functions say."""

import polars as pl

from headrace.demo_report import days, months
from headrace.month_lines import month_lines
from headrace.pricing import with_money
from shared.contract import CONSTANT, ESTIMATE, Policy, Rule, cost_minor

POLICY = Policy(
    task="regression",
    classes=(),
    rules=(Rule(name=ESTIMATE, costs=(100, 250)),),
    without_model=CONSTANT,
    constant=-10.0,
    label_range=(-60.0, 60.0),
    currency="USD",
    minor_digits=2,
)
ROWS = pl.DataFrame(
    {
        "block": ["2013-03-01", "2013-03-01", "2013-03-02", "2013-04-01"],
        "decision": [ESTIMATE, ESTIMATE, CONSTANT, ESTIMATE],
        "scores": [[0.125], [99.0], [5.0], [1.0]],
        "value": [0.115, 20.0, -12.0, None],
        "label": pl.Series([None] * 4, dtype=pl.String),
    }
)


def test_a_regression_costs_a_rate_per_unit_that_it_missed_by() -> None:
    priced = with_money(ROWS, POLICY)
    # 0.01 × 2.50 = 2.5 cents, half to even; beyond its range an estimate is cut: 40 too many; the constant: 2 too many.
    assert priced["cost_minor"].to_list() == [2, 10_000, 500, None]
    known = ROWS.filter(pl.col("value").is_not_null()).iter_rows(named=True)
    assert priced["cost_minor"].drop_nulls().to_list() == [
        cost_minor(POLICY, row["decision"], row["scores"], value=row["value"]) for row in known
    ]
    assert priced["without_minor"].to_list() == [1012, 3000, 500, None]


def test_a_regression_has_an_error_by_month_and_no_desk() -> None:
    priced = with_money(ROWS, POLICY)
    lines = months(priced, POLICY)
    assert [line["mae"] for line in lines] == [(0.01 + 40 + 2) / 3, None]
    assert sum(day["cost_minor"] for day in days(priced, POLICY)) == lines[0]["cost_minor"] == 10_502
    report = {
        "task": "regression",
        "months": lines,
        "minor_digits": 2,
        "frozen_by_month": {},
        "reviews": {"decision": None},
    }
    heads, cells = month_lines(report)
    assert heads == ["month", "volume", "error", "managed", "frozen", "no model"]
    assert cells[0] == ["2013-03", "3", "14.0", "35.007", "–", "15.040"]
    assert cells[1][2] == "–"
