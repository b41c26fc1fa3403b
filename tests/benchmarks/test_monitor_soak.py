"""The measurements of the monitor, small: everything arrives, and what they sum up is what was seen."""

import asyncio
import subprocess
import sys

import pytest

from benchmarks.monitor import members, soak, stream
from benchmarks.monitor.quota import NoQuotaError, limited

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


@pytest.mark.parametrize("number", [1, 2])
def test_a_pre_filled_topic_comes_into_the_tables_whole_and_each_member_takes_part(number: int) -> None:
    found = asyncio.run(stream.run(12_000, number))
    assert found.rows == {"decisions": 7_000, "outcomes": 7_000}
    assert len(found.cpu_seconds) == number
    assert all(0 < each < found.wall_seconds * 2 for each in found.cpu_seconds)
    assert found.events_per_cpu_second == found.events / sum(found.cpu_seconds)


def test_two_members_are_compared_with_one_by_the_median_of_their_runs() -> None:
    def took(*seconds: float) -> list[stream.Streamed]:
        return [stream.Streamed(1_000, [1.0], each, {}, 1.0) for each in seconds]

    said = members.summary({1: took(10, 10, 90), 2: took(5, 1, 5)}, 0.5)
    assert (said["events_per_second"], said["ratio"]) == ({1: 100, 2: 200}, 2.0)


_BUSY = """
import time
input()
end = time.monotonic() + 2
while time.monotonic() < end: pass
print(time.process_time())
"""


def test_a_process_gets_no_more_than_its_share_of_a_core() -> None:
    command = [sys.executable, "-c", _BUSY]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as busy:
        try:
            with limited(busy.pid, 0.1):
                said, _ = busy.communicate("go\n", timeout=60)
        except NoQuotaError as error:
            busy.kill()
            pytest.skip(str(error))
    # Two seconds by the clock, and what the interpreter took to start.
    assert 0 < float(said) < 1.0


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
