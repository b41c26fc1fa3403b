"""Requests are counted once, whatever was tried again, and only as far as the tables are."""

import datetime as dt
from collections.abc import Sequence
from pathlib import Path

from services.monitor.requests import Failure, count_requests
from services.monitor.technical import BlockRequests
from tests.feedback.streams import NOON, served, store

FIRST, SECOND = "2013-03-01", "2013-03-02"
DAY = dt.timedelta(days=1)


def count(location: Path, *failures: Failure, before: dt.datetime = NOON + DAY, release: int = 1) -> BlockRequests:
    failed: dict[str, Sequence[Failure]] = {FIRST: failures}
    (found,) = count_requests(location, "flights", release, failed, before)
    return found


def test_without_a_table_nothing_is_known(tmp_path: Path) -> None:
    assert count(tmp_path, Failure("a", 0, 0)) == BlockRequests(FIRST, 0, 0)


def test_a_request_counts_once_however_many_decisions_it_asked_for(tmp_path: Path) -> None:
    store(tmp_path, [served("a", [NOON] * 5), served("b"), served("c", release=2)])
    store(tmp_path, [served("a", [NOON] * 5)], start=3)
    assert count(tmp_path, Failure("x", 0, 1), Failure("x", 0, 2)) == BlockRequests(FIRST, 1, 2)
    assert count(tmp_path, release=2) == BlockRequests(FIRST, 0, 1)


def test_a_request_that_was_answered_on_a_later_try_has_not_failed(tmp_path: Path) -> None:
    store(tmp_path, [served("a"), served("b", release=2), served("c")])
    failures = [Failure(name, 0, 0) for name in "abx"]
    assert count(tmp_path, *failures) == BlockRequests(FIRST, 1, 2)


def test_a_failure_counts_when_the_table_has_gone_past_it(tmp_path: Path) -> None:
    store(tmp_path, [served("a"), served("b")])
    failures = [Failure("x", 0, 1), Failure("y", 0, 2), Failure("z", 1, 0)]
    assert count(tmp_path, *failures) == BlockRequests(FIRST, 1, 2)


def test_blocks_are_counted_apart_and_the_future_not_at_all(tmp_path: Path) -> None:
    store(tmp_path, [served("a"), served("b", [NOON + DAY]), served("c", [NOON + DAY + DAY / 4])])
    failed = {FIRST: [Failure("x", 0, 0)], SECOND: []}
    counts = count_requests(tmp_path, "flights", 1, failed, NOON + DAY + DAY / 8)
    assert counts == [BlockRequests(FIRST, 1, 1), BlockRequests(SECOND, 0, 1)]
