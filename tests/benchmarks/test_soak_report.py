"""The report of the soak, from numbers that are given."""

from benchmarks.serving.soak_report import LINES, broken, page

GOOD = {
    "away": {"away_seconds": 600.0, "failed": 0, "answered_and_not_on_kafka": 0, "drain_seconds": 31.5},
    "volume": {"answered": 1_000_000, "worker_growth_megabytes": 3.2, "answered_and_not_on_kafka": 0},
}


def test_what_is_as_promised_is_said_with_its_number_and_nothing_is_broken() -> None:
    said = page(GOOD)
    assert "| away | seconds until all of it was delivered, load going on | <= 120 | 31.5 | yes |" in said
    assert "| volume | requests answered | >= 1,000,000 | 1,000,000 | yes |" in said
    assert broken(GOOD, ["away", "volume"]) == []


def test_what_was_not_run_is_said_and_is_not_called_met() -> None:
    lines = [line for line in page(GOOD).splitlines() if line.startswith(("| swaps", "| capacity"))]
    assert len(lines) == sum(line.part in ("swaps", "capacity") for line in LINES)
    assert all(line.endswith("| not measured |  |") for line in lines)


def test_what_falls_short_is_named_for_the_parts_that_were_run() -> None:
    found = {**GOOD, "away": {**GOOD["away"], "drain_seconds": 249.3, "failed": 1}}
    assert broken(found, ["volume"]) == []
    assert broken(found, ["away"]) == [
        "away: failed, asked once more with the same request_id: 1",
        "away: seconds until all of it was delivered, load going on: 249.3",
    ]
    assert "| <= 120 | 249.3 | **no** |" in page(found)


def test_too_little_is_short_too() -> None:
    found = {"away": {"away_seconds": 60.0}, "volume": {"answered": 999_999}}
    assert len(broken(found, ["away", "volume"])) == 2
