"""When a forced release is on probation, and what ends it."""

from datetime import UTC, datetime, timedelta

import pytest

from services.registry.probation import list_probations, probation_at
from services.registry.releases import Cause, Past

DAY = timedelta(days=1)
START = datetime(2013, 3, 1, tzinfo=UTC)
LENGTH = 30 * DAY


def past(number: int, package: str, cause: Cause, day: int, *, forced: bool = False) -> Past:
    return Past(number, package, f"behaviour {package}", "c", cause, forced, START + day * DAY)


BEFORE = [past(1, "a", "first", 0), past(2, "b", "promotion", 5), past(3, "f", "person", 10, forced=True)]


def test_without_a_forced_release_there_is_none() -> None:
    assert list_probations([], LENGTH) == []
    assert list_probations(BEFORE[:2], LENGTH) == []


@pytest.mark.parametrize(
    ("after", "until"),
    [
        ([], 40),
        ([past(4, "b", "rollback", 15)], 15),
        ([past(4, "c", "person", 20)], 20),
        ([past(4, "g", "person", 20, forced=True)], 20),
        ([past(4, "f", "objective", 12)], 40),
        ([past(4, "f", "objective", 12), past(5, "b", "rollback", 15)], 15),
        ([past(4, "c", "promotion", 50)], 40),
    ],
)
def test_it_ends_by_another_release_or_with_its_days(after: list[Past], until: int) -> None:
    found = list_probations([*BEFORE, *after], LENGTH)[0]
    assert (found.package, found.last_good, found.sequence) == ("f", "b", 3)
    assert (found.since, found.until) == (START + 10 * DAY, START + until * DAY)


def test_a_second_forced_release_keeps_the_last_good_package() -> None:
    second = list_probations([*BEFORE, past(4, "g", "person", 20, forced=True)], LENGTH)[1]
    assert (second.package, second.last_good, second.until) == ("g", "b", START + 50 * DAY)


def test_what_outlived_its_probation_is_good_for_the_next_forced_release() -> None:
    second = list_probations([*BEFORE, past(4, "g", "person", 40, forced=True)], LENGTH)[1]
    assert second.last_good == "f"


def test_a_forced_first_release_has_nothing_good_behind_it() -> None:
    [found] = list_probations([past(1, "f", "person", 0, forced=True)], LENGTH)
    assert found.last_good is None


@pytest.mark.parametrize(("day", "running"), [(9, False), (10, True), (39, True), (40, False)])
def test_it_runs_from_the_release_to_the_last_moment_before_its_end(day: int, running: bool) -> None:
    assert (probation_at(BEFORE, START + day * DAY, LENGTH) is not None) is running


@pytest.mark.parametrize(
    ("start", "end", "touched"), [(9, 10, False), (9, 11, True), (20, 21, True), (39, 40, True), (40, 41, False)]
)
def test_a_block_touches_it_when_they_share_a_moment(start: int, end: int, touched: bool) -> None:
    [found] = list_probations(BEFORE, LENGTH)
    assert found.touches(START + start * DAY, START + end * DAY) is touched
