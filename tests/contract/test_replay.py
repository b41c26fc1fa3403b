"""Rows decided again in order: the same as one by one, and never beyond a cap."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contract import (
    DayScores,
    Demand,
    Policy,
    cost_in_order,
    decide,
    decide_in_order,
    derive_policy,
)
from tests.contract.one_by_one import CapacityCount
from tests.contract.written import BINARY, MULTICLASS, REGRESSION, SECOND_DESK, contract, policy

DEMAND = Demand((DayScores("d", 8, tuple((place / 8,) for place in range(8))),))
POLICIES = [
    policy(),
    derive_policy(contract(), DEMAND),
    derive_policy(contract(BINARY, SECOND_DESK), DEMAND),
]
row = st.tuples(st.sampled_from(["d1", "d2"]), st.floats(0, 1), st.booleans(), st.booleans())
# More than a limit may be taken: it may have been higher before.
taken = st.dictionaries(st.sampled_from(["none", "act", "review", "ask"]), st.integers(0, 12))
before = st.dictionaries(st.sampled_from(["d1", "d2", "d3"]), taken)


@given(st.sampled_from(POLICIES), st.lists(row, max_size=40), before)
def test_in_order_means_one_after_the_other(
    known: Policy, rows: list[tuple[str, float, bool, bool]], used: dict[str, dict[str, int]]
) -> None:
    ledger = CapacityCount(known.limits, used)
    expected = []
    for block, p, flagged, control in rows:
        choice = decide(known, (p,), ledger.left(block), flagged, control)
        expected.append((choice.decision, choice.reason, ledger.take(block, choice.decision)))
    columns = [one[0] for one in rows], [(one[1],) for one in rows], [one[2] for one in rows]
    replayed = decide_in_order(known, *columns, used, [one[3] for one in rows])
    assert list(zip(replayed.decisions, replayed.reasons, replayed.places, strict=True)) == expected
    for (_, name), taken in Counter(zip((one[0] for one in rows), replayed.decisions, strict=True)).items():
        assert taken <= known.limits.get(name, len(rows))


def test_several_classes_and_estimates_are_replayed_too() -> None:
    scores = [(0.9, 0.05, 0.05), (0.1, 0.8, 0.1), (0.3, 0.3, 0.4)]
    known = policy(MULTICLASS)
    replayed = decide_in_order(known, ["d"] * 3, scores)
    assert replayed.decisions == [decide(known, one, {"review": 2}).decision for one in scores]
    estimates = decide_in_order(
        policy(REGRESSION), ["d"] * 4, [(1.0,)] * 4, [False, True, False, True], control=[False, False, True, True]
    )
    assert estimates.reasons == ["cost", "flagged", "control", "flagged"]
    assert estimates.decisions == ["estimate", "constant", "constant", "constant"]
    assert decide_in_order(known, [], []).decisions == []


def test_costs_follow_the_decisions() -> None:
    known = policy()
    assert cost_in_order(known, ["none", "act"], [(0.1,), (0.9,)], ["late", "on_time"], [None, None]) == [500, 100]


@pytest.mark.parametrize("scores", [[(0.1,)], [(0.1, 0.2), (0.1, 0.2)], [(0.1,), (float("nan"),)]])
def test_columns_that_do_not_fit_are_refused(scores: list[tuple[float, ...]]) -> None:
    with pytest.raises(ValueError, match=r"do not fit|finite"):
        decide_in_order(policy(), ["d", "d"], scores)
