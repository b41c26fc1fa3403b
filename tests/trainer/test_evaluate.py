"""Quality and money of held-out rows, counted by hand."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest

from services.trainer.evaluate import demand_of_blocks, evaluate
from services.trainer.rows import Rows
from shared.contract import Contract, derive_policy

pytestmark = pytest.mark.slow


def make(
    labels: Sequence[str | None], scores: list[float], flagged: list[bool] | None = None
) -> tuple[Rows, np.ndarray]:
    count = len(labels)
    rows = Rows(
        times=pd.date_range("2024-03-01", periods=count, freq="min", tz="UTC"),
        blocks=np.array(["2024-03-01"] * count, dtype=object),
        frame=pd.DataFrame({"size": np.zeros(count)}),
        flagged=np.array(flagged or [False] * count),
        labels=np.array(labels, dtype=object),
        values=np.full(count, np.nan),
        by_feature={},
    )
    return rows, np.array(scores).reshape(-1, 1)


def test_money_is_exact_and_the_capacity_holds(toy_contract: Contract) -> None:
    rows, scores = make(["broken"] * 8 + ["fine", None], [0.9] * 8 + [0.0, 0.9])
    found = evaluate(toy_contract, derive_policy(toy_contract), rows, scores)
    # Six inspections of broken things at 0.50, two missed at 5.00, one fine thing ignored.
    assert found["cost_per_case_minor"] * 9 == pytest.approx(6 * 50 + 2 * 500)
    assert found["cost_without_model_per_case_minor"] * 9 == pytest.approx(8 * 500)
    assert found["value_per_day_minor"] == 6 * 450
    assert found["per_day.inspect"] == 6
    assert found["auc"] == 1
    assert found["holdout_labelled"] == 9


def test_quality_without_both_classes_has_no_auc(toy_contract: Contract) -> None:
    found = evaluate(toy_contract, derive_policy(toy_contract), *make(["fine", "fine"], [0.25, 0.75]))
    assert "auc" not in found
    assert found["brier"] == pytest.approx((0.25**2 + 0.75**2) / 2)


def test_rows_without_any_label_have_decisions_but_no_money(toy_contract: Contract) -> None:
    found = evaluate(toy_contract, derive_policy(toy_contract), *make([None, None], [0.9, 0.1]))
    assert found["per_day.inspect"] == 1
    assert "value_per_day_minor" not in found


def test_demand_ignores_the_cap_and_flagged_rows_want_nothing(toy_contract: Contract) -> None:
    rows, scores = make([None] * 10, [0.9] * 10, [True, True] + [False] * 8)
    assert demand_of_blocks(derive_policy(toy_contract), rows, scores) == {"2024-03-01": {"ignore": 2, "inspect": 8}}


def test_a_regression_is_measured_by_its_errors(toy_contract: Contract) -> None:
    body = toy_contract.to_json()
    del body["decisions"]
    body |= {
        "task": "regression",
        "costs": {"under": "3.00", "over": "1.00"},
        "without_model": 10.0,
        "label": {"name": "outcome", "range": [0, 100], "mature_after": "1d", "give_up_after": "3d"},
    }
    contract = Contract.model_validate(body)
    rows, scores = make([None, None], [12.0, 7.0])
    rows.values[:] = [10.0, 10.0]
    found = evaluate(contract, derive_policy(contract), rows, scores)
    assert found["mae"] == 2.5
    assert found["rmse"] == pytest.approx(np.sqrt(6.5))
    assert found["cost_per_case_minor"] == (200 + 900) / 2
