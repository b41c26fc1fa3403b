"""Decisions under capacities that a team lowers within a block: what was taken stands, what is left is less."""

import datetime as dt
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from shared.contract import Lowered, decide, decide_in_order, decide_through, derive_policy, limits_at, with_limits
from tests.contract.written import BINARY, contract

NOON = dt.datetime(2013, 3, 1, 12, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
TODAY, TOMORROW = "2013-03-01", "2013-03-02"
POLICY = derive_policy(contract(BINARY, ("limit: 2", "limit: 5")))
# At .3 a review is the cheapest; without one left, acting is.
REVIEWED = 0.3


def word(limit: int, at: dt.datetime = NOON, sequence: int = 1, block: str = TODAY) -> Lowered:
    return Lowered(sequence, at, block, "review", limit)


def decided(count: int, *words: Lowered, used: int = 0) -> list[str]:
    """A case in each hour from 6 on."""
    times = [NOON + (number - 6) * HOUR for number in range(count)]
    return decide_through(
        POLICY, [TODAY] * count, times, [[REVIEWED]] * count, [False] * count, words, {TODAY: {"review": used}}
    )


def test_without_a_word_nothing_is_different() -> None:
    assert decided(8) == ["review"] * 5 + ["act"] * 3
    assert decided(8, word(0, block=TOMORROW)) == decided(8)


def test_a_word_binds_from_its_time_on_and_what_was_taken_stands() -> None:
    assert decided(8, word(3, NOON - 4 * HOUR)) == ["review"] * 3 + ["act"] * 5
    assert decided(8, word(1, NOON - 2 * HOUR)) == ["review"] * 4 + ["act"] * 4
    assert decided(4, word(3), used=4) == ["review", "act", "act", "act"]


def test_the_newest_word_counts_and_may_give_back_what_the_contract_allows() -> None:
    cut, back = word(0, NOON - 5 * HOUR, 1), word(5, NOON - 3 * HOUR, 2)
    assert decided(10, cut, back) == ["review", "act", "act", *["review"] * 4, "act", "act", "act"]
    assert decided(10, back, cut) == decided(10, cut, back)
    assert limits_at([cut, back], TODAY) == {"review": 5}
    assert limits_at([cut, back], TODAY, NOON - 4 * HOUR) == {"review": 0}


def test_nobody_gets_more_than_the_contract_allows() -> None:
    assert with_limits(POLICY, {"review": 500}) is POLICY
    assert with_limits(POLICY, {"act": 0}) is POLICY
    assert with_limits(POLICY, {"review": 4}).limits == {"review": 4}
    assert POLICY.limits == {"review": 5}


@given(
    st.lists(st.tuples(st.floats(0, 1), st.booleans(), st.sampled_from([TODAY, TOMORROW])), max_size=30),
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 30), st.sampled_from([TODAY, TOMORROW])), max_size=4),
)
def test_many_rows_at_once_are_decided_as_one_by_one(
    rows: list[tuple[float, bool, str]], said: list[tuple[int, int, str]]
) -> None:
    start = NOON - 6 * HOUR
    times = [start + number * HOUR for number in range(len(rows))]
    words = [word(limit, start + at * HOUR, number, block) for number, (limit, at, block) in enumerate(said, 1)]
    taken: dict[str, Counter[str]] = {TODAY: Counter(), TOMORROW: Counter()}
    expected = []
    for (score, flagged, block), at in zip(rows, times, strict=True):
        limit = min(5, limits_at(words, block, at).get("review", 5))
        left = {"review": limit - taken[block]["review"]}
        expected.append(decide(POLICY, (score,), left, flagged).decision)
        taken[block][expected[-1]] += 1
    columns = ([one[2] for one in rows], times, [[one[0]] for one in rows], [one[1] for one in rows])
    assert decide_through(POLICY, *columns, words) == expected


def test_it_is_the_plain_replay_where_nobody_spoke() -> None:
    scores = [[0.1], [0.3], [0.9]] * 4
    plain = decide_in_order(POLICY, [TODAY] * 12, scores).decisions
    assert decide_through(POLICY, [TODAY] * 12, [NOON] * 12, scores, [False] * 12) == plain
