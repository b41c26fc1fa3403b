"""The numbers of measured KPIs in a block, and when blocks are evidence enough to ask for a rollback."""

import datetime as dt
from collections.abc import Sequence

import numpy as np
import pytest

from services.monitor.measured import (
    MeasuredBlock,
    NotJudged,
    Value,
    Verdict,
    fewest_blocks,
    judge_measured,
    numbers_of,
    of_release,
)
from shared.contract.kpis import Kpi
from tests.feedback.contracts import flights_contract
from tests.feedback.streams import NOON

CONTACTS = Kpi(aggregation="mean", unit="contacts", ceiling=0.4, range=(0, 2))
DAY, HOUR = dt.timedelta(days=1), dt.timedelta(hours=1)


def blocks(values: Sequence[float]) -> list[MeasuredBlock]:
    first = dt.date(2013, 5, 1)
    return [MeasuredBlock((first + number * DAY).isoformat(), value) for number, value in enumerate(values)]


def judged(values: Sequence[float], kpi: Kpi = CONTACTS, alpha: float = 0.01) -> Verdict:
    verdict = judge_measured("contacts", kpi, alpha, blocks(values))
    assert isinstance(verdict, Verdict)
    return verdict


def values(*numbers: float, name: str = "contacts", unit: str = "contacts") -> list[Value]:
    return [Value(name, unit, number, NOON + hour * HOUR) for hour, number in enumerate(numbers)]


def test_a_block_tells_its_number_how_many_values_it_is_of_and_what_it_breaks() -> None:
    contract = flights_contract(kpis={"contacts": CONTACTS.model_dump(), "cost_per_case": {"ceiling": 1}})
    found = numbers_of(contract, [*values(1.0, 0.5), *values(9.0, unit="calls"), *values(7.0, name="other")])
    assert found == {
        "contacts": {
            "value": 0.75, "count": 2, "unit": "contacts", "aggregation": "mean", "floor": None, "ceiling": 0.4,
            "broken": "ceiling",
        }
    }  # fmt: skip


def test_silence_is_no_number_and_breaks_nothing() -> None:
    contract = flights_contract(kpis={"contacts": {**CONTACTS.model_dump(), "floor": 0.1}})
    silent = numbers_of(contract, [])["contacts"]
    assert (silent["value"], silent["count"], silent["broken"]) == (None, 0, None)


def test_a_value_counts_for_the_release_in_force_at_its_time() -> None:
    released = [(3, NOON), (4, NOON + 2 * HOUR)]
    times = (NOON - HOUR, NOON, NOON + HOUR, NOON + 2 * HOUR)
    assert [of_release(at, released) for at in times] == [3, 3, 3, 4]


def test_one_broken_block_never_suffices_however_absurd() -> None:
    near_zero = Kpi(aggregation="mean", unit="contacts", ceiling=0.001, range=(0, 2))
    once = judged([2.0], near_zero)
    assert once.e_value > once.threshold
    assert not once.beyond
    assert judged([2.0, 2.0], near_zero).beyond


@pytest.mark.parametrize(("level", "count"), [(2.0, 4), (1.0, 7), (0.6, 15)])
def test_how_many_broken_blocks_it_takes(level: float, count: int) -> None:
    assert not judged([level] * (count - 1)).beyond
    assert judged([level] * count).beyond
    assert fewest_blocks(0, 2, 0.4, 0.01) == 4


def test_a_floor_is_judged_from_the_other_side() -> None:
    kpi = Kpi(aggregation="mean", unit="share", floor=0.8, range=(0, 1))
    low = judged([0.3] * 20, kpi)
    assert (low.beyond, low.limit, low.bound) == (True, "floor", 0.8)
    assert low.reason().startswith("contacts is 0.3 share on average over 20 blocks, 2013-05-01 to 2013-05-20, below")
    assert not judged([0.9] * 20, kpi).beyond


def test_two_limits_share_alpha() -> None:
    both = Kpi(aggregation="mean", unit="share", floor=0.2, ceiling=0.8, range=(0, 1))
    assert judged([0.95] * 30, both).threshold == 200
    assert judged([0.95] * 30, both).limit == "ceiling"
    assert judged([0.05] * 30, both).limit == "floor"


def test_what_was_shown_and_is_over_on_average_is_no_reason_any_more() -> None:
    recovered = judged([2.0] * 5 + [0.0] * 40)
    assert recovered.tipped_by == "2013-05-04"
    assert not recovered.beyond


def test_where_an_earlier_release_broke_it_too_going_back_helps_nobody() -> None:
    now = blocks([1.0] * 12)
    excused = judge_measured("contacts", CONTACTS, 0.01, now, [blocks([0.3] * 9), blocks([0.9] * 3)])
    assert isinstance(excused, NotJudged)
    assert "but it was 0.9 over 3 blocks of an earlier release, too" in excused.reason
    better = judge_measured("contacts", CONTACTS, 0.01, now, [blocks([0.3] * 9), []])
    assert isinstance(better, Verdict)
    assert better.beyond


def test_without_blocks_or_a_range_nothing_is_judged() -> None:
    assert judge_measured("contacts", CONTACTS, 0.01, []) == NotJudged(
        "no whole block of this release has a number of contacts yet"
    )
    boundless = Kpi(aggregation="mean", unit="contacts", ceiling=0.4)
    assert isinstance(judge_measured("contacts", boundless, 0.01, blocks([1.0])), NotJudged)


@pytest.mark.slow
def test_a_kpi_that_keeps_its_limit_on_average_is_rarely_taken_for_broken() -> None:
    # 1,000 releases of 200 blocks each at the ceiling itself; promised are at most 1 %, and 2.1 % lies 3.5 sd above.
    rng = np.random.default_rng(11)
    false = sum(judged(((rng.random(200) < 0.2) * 2.0).tolist()).beyond for _ in range(1000))
    assert false <= 21
