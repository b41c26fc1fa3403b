"""What had been promised stands beside what was saved, on days that can be judged; or the page says there is none."""

from collections.abc import Mapping
from typing import Any

import pytest

from services.console.facts import Period
from services.console.figures import Figure
from services.console.promise import NOTHING_PROMISED, Promise, promise
from services.console.queries import Queries
from services.console.worth import times_of
from shared.evaluation.period import over_blocks
from tests.console.test_queries import asker
from tests.console.test_sending import account
from tests.console.world import FIRST

PERIOD = Period("2013-03-01", "2013-03-20")


def told(promises: Mapping[int, int | None], **changes: Any) -> Promise:
    """Judged days that saved 1.00 more each, the first of them 1.00."""
    days = [
        account(f"2013-03-{day:02}", value_minor=100 * day, forecast_minor=promised, **changes)
        for day, promised in promises.items()
    ]
    return promise(FIRST, Queries("flights", PERIOD, {FIRST.digest: FIRST}), asker([], *days))


def text(found: Promise) -> str:
    return "".join(part.text if isinstance(part, Figure) else part for part in found.told)


def test_the_promise_is_compared_with_what_the_same_days_saved() -> None:
    found = told({1: 150, 2: 150, 3: None})
    assert "For the cases of 2 days that can be judged it promised 3.00 USD; saved were 3.00 USD" in text(found)
    assert "which is 0.00 USD more. For 1 more of these days nothing was promised." in text(found)
    assert "which is 2.50 USD less." in text(told({1: 350}))
    assert "which is 3.50 USD more." in text(told({1: -250}))


def test_days_whose_outcomes_are_still_to_come_are_held_against_nobody() -> None:
    found = told({1: 150}, status="closed")
    assert found.told == NOTHING_PROMISED
    assert (found.days.value, found.unpromised.value) == (0, 0)


def test_with_enough_days_the_difference_has_the_range_of_headrace_value() -> None:
    promises: dict[int, int | None] = {day: 130 - 7 * (day % 3) for day in range(1, 13)}
    found = told(promises)
    interval = over_blocks([100 * day - (promised or 0) for day, promised in promises.items()])
    assert interval is not None
    margin = [part for part in found.told if isinstance(part, Figure)][4]
    assert margin.value == pytest.approx((interval[1] - interval[0]) / 2, abs=1)
    assert times_of(found.days) is not None


def test_where_nothing_was_promised_it_says_so() -> None:
    found = told({1: None, 2: None})
    assert found.told == NOTHING_PROMISED
    assert not found.broken


def test_less_than_half_of_a_promise_is_a_broken_one() -> None:
    assert told({1: 201}).broken
    assert not told({1: 200}).broken
    assert not told({1: -50}).broken
