"""Blocks are calendar days where the use case lives; a capacity is never exceeded in one."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contract import block_bounds, block_of, next_block
from tests.contract.one_by_one import CapacityCount
from tests.contract.written import BINARY, contract

NEW_YORK = contract(BINARY, ("Europe/Berlin", "America/New_York"))
ZONES = [
    contract(BINARY, ("Europe/Berlin", name)) for name in ("America/New_York", "Asia/Kathmandu", "America/Sao_Paulo")
]


@pytest.mark.parametrize(("block", "hours"), [("2013-03-10", 23), ("2013-11-03", 25), ("2013-06-01", 24)])
def test_a_day_has_as_many_hours_as_the_clocks_say(block: str, hours: int) -> None:
    start, end = block_bounds(NEW_YORK, block)
    assert end - start == timedelta(hours=hours)
    assert start.tzinfo is UTC


def test_an_event_belongs_to_its_local_day() -> None:
    assert block_of(NEW_YORK, datetime(2013, 3, 2, 4, 59, 59, tzinfo=UTC)) == "2013-03-01"
    assert block_of(NEW_YORK, datetime(2013, 3, 2, 5, tzinfo=UTC)) == "2013-03-02"
    assert block_of(NEW_YORK, datetime(2013, 3, 2, 12, tzinfo=timezone(timedelta(hours=14)))) == "2013-03-01"


def test_a_time_without_an_offset_has_no_block() -> None:
    with pytest.raises(ValueError, match="offset"):
        block_of(NEW_YORK, datetime(2013, 3, 2, 5))  # noqa: DTZ001


@given(st.datetimes(datetime(1990, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
def test_blocks_follow_each_other_without_gap_or_overlap(moment: datetime) -> None:
    for zone in ZONES:
        block = block_of(zone, moment)
        start, end = block_bounds(zone, block)
        assert start <= moment < end
        assert block_bounds(zone, next_block(block))[0] == end


def test_places_are_counted_from_one_and_each_block_starts_anew() -> None:
    count = CapacityCount({"review": 2})
    assert [count.take("d1", one) for one in ("review", "act", "review")] == [1, None, 2]
    assert count.left("d1") == {"review": 0}
    assert count.used("d1") == {"review": 2}
    assert count.left("d2") == {"review": 2}
    with pytest.raises(ValueError, match="has taken all 2 of d1"):
        count.take("d1", "review")
