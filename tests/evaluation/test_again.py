"""Logged rows decided again: as serving would, one ledger over everything that served in a block."""

import datetime as dt
from collections import Counter

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from shared.contract import Lowered, Policy, decide, derive_policy
from shared.evaluation.again import costs_by_block, decide_again, in_order_of_serving
from tests.feedback.contracts import arrival_contract, flights_contract
from tests.feedback.streams import NOON

FULL = derive_policy(flights_contract())
CUT = derive_policy(
    flights_contract(
        decisions={
            "none": {"on_time": "0.00", "late": "5.00"},
            "act": {"on_time": "1.00", "late": "0.00", "capacity": {"per": "day", "limit": 1}},
            "review": {"on_time": "0.60", "late": "0.60", "capacity": {"per": "day", "limit": 1}},
        }
    )
)
POLICIES = {1: FULL, 2: CUT}
Row = tuple[str, float, bool, int, str]
row = st.tuples(
    st.sampled_from(["2013-03-01", "2013-03-02"]),
    st.floats(0, 1),
    st.booleans(),
    st.sampled_from([1, 2]),
    st.sampled_from(["model", "control", "audit"]),
)


def logged(rows: list[Row]) -> pl.DataFrame:
    """Rows as the join gives them, as far as deciding looks at them."""
    return pl.DataFrame(
        {
            "block": [one[0] for one in rows],
            "flagged": [["distance"] if one[2] else [] for one in rows],
            "arm": [one[4] for one in rows],
        },
        schema={"block": pl.String, "flagged": pl.List(pl.String), "arm": pl.String},
    )


@given(st.lists(row, max_size=40))
def test_each_row_meets_what_all_rows_before_it_left_whatever_release_they_had(
    rows: list[Row],
) -> None:
    taken: dict[str, Counter[str]] = {}
    expected = []
    for block, p, flagged, release, arm in rows:
        policy, used = POLICIES[release], taken.setdefault(block, Counter())
        left = {name: limit - used[name] for name, limit in policy.limits.items()}
        expected.append(decide(policy, (p,), left, flagged, arm == "control").decision)
        used[expected[-1]] += 1
    scores = np.array([[one[1]] for one in rows]).reshape(-1, 1)
    assert decide_again(logged(rows), scores, [one[3] for one in rows], POLICIES) == expected


def test_rows_of_a_request_stay_in_the_order_of_their_positions() -> None:
    frame = pl.DataFrame(
        {
            "event_time": [NOON, NOON, NOON, NOON - dt.timedelta(hours=1)],
            "request_id": ["b", "a", "a", "z"],
            "position": [0, 10, 2, 0],
        }
    )
    assert in_order_of_serving(frame).select("request_id", "position").rows() == [
        ("z", 0),
        ("a", 2),
        ("a", 10),
        ("b", 0),
    ]


def test_costs_are_of_labelled_rows_and_each_by_the_policy_that_is_named_for_it() -> None:
    dear = derive_policy(
        flights_contract(
            decisions={
                "none": {"on_time": "0.00", "late": "9.00"},
                "act": {"on_time": "1.00", "late": "0.00"},
            }
        )
    )
    rows = pl.DataFrame(
        {"block": ["d", "d", "d", "e"], "label": ["late", "late", None, "on_time"], "value": [None] * 4},
        schema={"block": pl.String, "label": pl.String, "value": pl.Float64},
    )
    known: dict[int, Policy] = {1: FULL, 2: dear}
    found = costs_by_block(rows, ["none", "none", "none", "act"], [[0.5]] * 4, [1, 2, 1, 2], known)
    assert found == {"d": (1400, 1400), "e": (100, 0)}


def test_a_regression_pays_by_its_own_estimates() -> None:
    policy = derive_policy(arrival_contract())
    rows = pl.DataFrame({"block": ["d", "d"], "label": [None, None], "value": [20.0, 5.0]})
    found = costs_by_block(rows, ["estimate", "constant"], [[18.0], [99.0]], [1, 1], {1: policy})
    assert found == {"d": (2 * 300 + 5 * 100, 10 * 300 + 5 * 100)}


def test_what_a_team_said_binds_every_release_of_the_block_from_its_time_on() -> None:
    rows = logged([("2013-03-01", 0.3, False, release, "model") for release in (1, 2, 1)])
    rows = rows.with_columns(event_time=pl.Series([NOON + dt.timedelta(hours=hour) for hour in range(3)]))
    scores, under = np.full((3, 1), 0.3), [1, 1, 1]
    assert decide_again(rows, scores, under, POLICIES) == ["review", "review", "act"]
    word = Lowered(1, NOON + dt.timedelta(hours=1), "2013-03-01", "review", 1)
    assert decide_again(rows, scores, under, POLICIES, [word]) == ["review", "act", "act"]
    assert decide_again(rows, scores, [1, 2, 2], POLICIES, [word]) == ["review", "act", "none"]
