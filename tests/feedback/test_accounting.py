"""Every answered prediction is joined, awaiting or given up."""

import datetime as dt
from pathlib import Path

import pytest

from shared.feedback.accounting import Accounting, account
from shared.feedback.joined import joined
from tests.feedback.contracts import flights_contract
from tests.feedback.streams import NOON, happened, served, store


@pytest.mark.parametrize(
    ("days", "counts"),
    [(0, (3, 0, 3, 0)), (1, (3, 1, 2, 0)), (7, (3, 1, 2, 0)), (8, (3, 1, 1, 1)), (9, (3, 1, 0, 2))],
)
def test_the_counts_follow_the_time(tmp_path: Path, days: int, counts: tuple[int, int, int, int]) -> None:
    store(
        tmp_path,
        [served("a"), served("b"), served("c", [NOON + dt.timedelta(days=1)])],
        [happened({"a/0": "late"}), happened({"b/0": "never heard of"})],
    )
    now = NOON.replace(hour=0) + dt.timedelta(days=days)
    assert account(joined(tmp_path, "flights", now), flights_contract(), now) == Accounting(*counts)


def test_nothing_served_is_nothing_to_count(tmp_path: Path) -> None:
    assert account(joined(tmp_path, "flights", NOON), flights_contract(), NOON) == Accounting(0, 0, 0, 0)
