"""The report of the serving benchmark, from rounds that are given."""

import pytest

from benchmarks.serving.measure import Missing, Sample
from benchmarks.serving.report import (
    BULK,
    HUNDRED_8,
    KEPT_8,
    KEPT_64,
    SINGLE_1,
    SINGLE_8,
    Results,
    document,
    page,
    rows,
)


def sample(rate: float, p50: float = 1.0, p99: float = 2.0, cpu: float = 100.0, shipper: float = 30.0) -> Sample:
    return Sample(rate, p50, p99, 0, {"worker": cpu, "shipper": shipper}, {"worker": 50.0}, 0.0, 0.1)


def quick() -> Results:
    found = Results(True, {"rounds": 3}, ["litserve_batching"])
    found.differences = {"headrace": 1e-12, "mlflow": 0.0, "limit": 2e-16}
    found.scenarios[SINGLE_8] = {
        "headrace": [sample(6000.0, cpu=90.0), sample(3000.0, cpu=110.0, shipper=50.0), sample(5000.0)],
        "mlflow": [sample(100.0), sample(30.0), sample(50.0)],
        "limit": [sample(12_000.0), sample(12_000.0), sample(12_500.0)],
    }
    return found


def full() -> Results:
    found = quick()
    found.quick = False
    for name, rate in (("bentoml", 90.0), ("mlserver", 80.0), ("litserve_batching", 400.0)):
        found.scenarios[SINGLE_8][name] = [sample(rate, p99=30.0)] * 3
    found.scenarios[SINGLE_1] = {"headrace": [sample(1.0, p50=0.2)], "mlflow": [sample(1.0, p50=8.0)]}
    found.scenarios[HUNDRED_8] = {"headrace": [sample(900.0)], "litserve_batching": Missing("it hangs")}
    found.scenarios[BULK] = {"headrace": [sample(25.0)], "headrace_columns": [sample(40.0)]}
    found.in_process = [{"scikit_learn": 0.02, "compiled": 0.01}]
    found.scenarios[KEPT_8] = {"headrace": [sample(700.0)], "fastapi": [sample(100.0)]}
    found.scenarios[KEPT_64] = {"headrace": [sample(3000.0)], "fastapi": [sample(100.0)]}
    found.start_seconds = [1.2, 1.4, 1.7]
    return found


def measured(results: Results) -> dict[str, float | None]:
    return {row.what: row.measured for row in rows(results)}


def test_the_quick_report_has_the_keys_that_are_read_by_others() -> None:
    said = document(quick())
    assert said["rps"] == {"headrace": 5000.0, "mlflow": 50.0, "limit": 12_000.0}
    assert said["cpu_us"] == 100.0
    assert said["shipper_cpu_us"] == 30.0
    assert said["max_abs_diff"] == 1e-12


def test_a_ratio_is_the_median_of_rounds_that_are_neighbours_in_time() -> None:
    found = {row.note: row for row in rows(quick())}
    assert found["mlflow"].measured == 100.0
    assert found["mlflow"].met
    assert found["limit"].measured == pytest.approx(0.4)


def test_the_full_table_measures_everything_against_the_best_of_others() -> None:
    found = measured(full())
    assert found["1 record, c=8: requests/s against the best batching peer"] == 12.5
    assert found["1 record, c=1: p50 of the best peer, divided by ours"] == 40.0
    # MLflow's 2 ms are better than the 30 ms of the others.
    assert found["1 record, c=8: p99 of the best peer, divided by ours"] == 1.0
    assert found["10,000 rows in one request as rows: share of the model alone in process"] == 0.25
    assert found["10,000 rows in one request as columns: share of the model alone in process"] == pytest.approx(0.4)
    assert found["start to first answer, Kafka absent, seconds"] == 1.4


def test_what_could_not_be_measured_is_named_and_never_met() -> None:
    results = full()
    results.not_measured["limit"] = "the package has no compiled form"
    said = document(results)
    row = next(row for row in said["rows"] if row["what"].startswith("100 records"))
    assert (row["measured"], row["met"]) == (None, None)
    assert said["scenarios"][HUNDRED_8]["litserve_batching"] == {"missing": "it hangs"}
    written = page(said, "report.png")
    assert "not measured" in written
    assert "it hangs" in written
    assert "limit: the package has no compiled form" in written


def test_a_row_that_is_missed_stands_out_on_the_page() -> None:
    results = full()
    results.start_seconds = [9.0]
    assert "| <= 1.5 | 9 | **no** |" in page(document(results), None)
