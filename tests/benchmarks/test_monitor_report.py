"""The report of the monitor's benchmark, from measurements that are given; and memory that does not grow."""

from typing import Any

import pytest

from benchmarks.monitor.many_columns import measure
from benchmarks.monitor.report import Results, document, page, rows


def round_of(rows_counted: int, seconds: float, extra: float = 1.0) -> dict[str, Any]:
    return {"rows": rows_counted, "cpu_seconds": [seconds], "extra_megabytes": extra}


def quick() -> Results:
    found = Results(True, {"rounds": 2})
    found.speeds = {
        "headrace": [round_of(1_000_000, 0.25), round_of(1_000_000, 0.5, extra=3.0)],
        "scipy": [round_of(1_000_000, 2.5), round_of(1_000_000, 2.5)],
        "evidently": [round_of(100_000, 5.0), round_of(100_000, 5.0)],
    }
    found.many_columns = {"rows": 10, "columns": 5, "megabytes_per_million_rows": 0.0, "cpu_seconds": 1.0}
    return found


def test_the_short_form_has_the_rates_of_all_and_ratios_are_paired_by_round() -> None:
    said = document(quick())
    assert said["rows_per_s"] == {"headrace": 3_000_000, "scipy": 400_000, "evidently": 20_000}
    assert said["events_per_core_s"] is None
    measured = {row["what"].rpartition(" ")[2]: row for row in said["rows"]}
    assert measured["evidently"]["measured"] == pytest.approx(150)
    assert measured["scipy"]["measured"] == pytest.approx(7.5)
    assert [row.met for row in rows(quick())] == [True, True, True, None, True]


def test_what_falls_short_is_said() -> None:
    found = quick()
    found.speeds["scipy"] = [round_of(1_000_000, 0.5)]
    found.events_per_core_s = 19_999.0
    assert [row.met for row in rows(found)] == [True, False, True, False, True]
    assert "**no**" in page(document(found), "picture.png")


def test_the_page_shows_which_windows_were_flagged() -> None:
    found = quick()
    found.flagged = {"headrace": {"500 0": [False] * 9 + [True], "500 1": [True]}}
    lines = page(document(found), "picture.png").splitlines()
    assert "| headrace | 10% | 100% |" in lines


@pytest.mark.slow
def test_counting_many_columns_batch_by_batch_keeps_the_same_memory() -> None:
    found: dict[str, Any] = measure(rows=100_000, columns=100)
    assert found["rows"] == 100_000
    # A batch is 4 MB: holding the rows would be 80 MB by the end.
    assert max(found["resident_megabytes"][1:]) - min(found["resident_megabytes"][1:]) < 8
