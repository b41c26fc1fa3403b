"""The numbers of a backtest: its interval, and what nobody can know."""

from statistics import NormalDist

import polars as pl
import pytest

from headrace.backtest_report import Backtest, Block, unknown
from tests.feedback.contracts import flights_contract
from tests.feedback.streams import NOON


def block(name: str, better: int | None) -> Block:
    served = None if better is None else 100 + better
    return Block(name, 10, 8, earned=5, redecided=5, served_cost=served, cost=100, value=7, decisions={"act": 10})


def found(*better: int | None) -> Backtest:
    blocks = tuple(block(f"2013-03-{day:02}", one) for day, one in enumerate(better, start=1))
    return Backtest("flights", "a test", "USD", 2, blocks, 10 * len(blocks), 1, 0, {})


def test_the_interval_is_that_of_the_mean_block_times_the_blocks() -> None:
    low, high = found(10, 20, 30).interval() or (0.0, 0.0)
    # Student's t with two degrees of freedom is 4.3027 at 97.5 %.
    half = 4.302653 * 10 * 3**0.5
    assert [low, high] == pytest.approx([60 - half, 60 + half])
    many = found(*[10, 20] * 500).interval()
    assert many is not None
    assert many[1] - 15_000 == pytest.approx(NormalDist().inv_cdf(0.975) * 5 * 1000**0.5, rel=0.01)


def test_one_block_or_a_price_that_is_missing_gives_no_interval() -> None:
    assert found(10).interval() is None
    assert found(10, None, 5).interval() is None
    assert found(10, None).total("better") is None
    assert found(10, 20).total("better") == 30


def test_labels_that_only_some_decisions_show_are_counted_three_ways() -> None:
    label = {"name": "late", "classes": ["on_time", "late"], "mature_after": "2d", "give_up_after": "7d"}
    contract = flights_contract(label={**label, "observed_when": ["none", "review"]})
    rows = pl.DataFrame(
        {
            "block": ["2013-03-01"] * 5,
            "decision": ["none", "act", "act", "review", "none"],
            "again": ["act", "none", "act", "none", "none"],
            "label": ["late", None, None, "on_time", None],
            "value": [None] * 5,
            "arm": ["model"] * 5,
        }
    )
    assert unknown(contract, rows, NOON) == {
        "awaiting": 3,
        "never_labelled": 0,
        "hidden_by_what_was_served": 2,
        "shown_only_by_the_backtest": 1,
        "hidden_by_the_backtest": 1,
    }
    assert set(unknown(flights_contract(), rows, NOON)) == {"awaiting", "never_labelled"}
