"""The measurements of the monitor, small: everything arrives, and what they sum up is what was seen."""

import asyncio

import pytest

from benchmarks.monitor import soak, stream

pytestmark = [pytest.mark.kafka, pytest.mark.slow]


@pytest.mark.parametrize(
    ("points", "expected"),
    [
        ([], 0.0),
        ([(0.0, 5.0)], 0.0),
        ([(m, 300 + 2.0 * m) for m in range(10)], 2.0),
        ([(m, 300.0 + 500 * (m == 4)) for m in range(10)], 0.0),
    ],
)
def test_the_slope_is_that_of_most_points(points: list[tuple[float, float]], expected: float) -> None:
    assert soak.slope(points) == pytest.approx(expected)


def test_a_pre_filled_topic_comes_into_the_tables_whole_and_takes_time() -> None:
    found = asyncio.run(stream.run(4_000))
    assert found.rows == {"decisions": 2_000, "outcomes": 2_000}
    assert 0 < found.cpu_seconds < found.wall_seconds * 2
    assert found.events_per_cpu_second == found.events / found.cpu_seconds


def test_a_short_soak_loses_nothing_joins_files_and_does_not_grow() -> None:
    tidy = {"HEADRACE_MONITOR_TIDY_SECONDS": "15", "HEADRACE_MONITOR_COMPACT_FILES": "4"}
    found = asyncio.run(soak.run(1.2, 400, tidy))
    assert found.missing == 0
    assert sum(found.rows.values()) == found.events > 0.8 * 400 * 72
    assert len(found.samples) >= 4
    assert all(found.compactions[name] > 0 for name in ("decisions", "outcomes")), found.compactions
    # A minute is too short for a slope; what grows with the events would be larger than this.
    assert found.samples[-1].resident_megabytes - found.samples[0].resident_megabytes < 150
    assert "| events that are not in the tables | 0 |" in soak.page(found)
