"""Counts of pairs: whichever column is the same throughout, or neither."""

import pytest

from services.serving.counting import count_pairs


@pytest.mark.parametrize(
    ("left", "right", "counted"),
    [
        (["a", "a", "a"], ["x", "y", "x"], {("a", "x"): 2, ("a", "y"): 1}),
        (["a", "b", "a"], ["x", "x", "x"], {("a", "x"): 2, ("b", "x"): 1}),
        (["a", "b", "a"], ["x", "y", "y"], {("a", "x"): 1, ("b", "y"): 1, ("a", "y"): 1}),
        (["a", "a"], ["x", "x"], {("a", "x"): 2}),
        ([], [], {}),
    ],
)
def test_each_pair_is_counted(left: list[str], right: list[str], counted: dict[tuple[str, str], int]) -> None:
    assert count_pairs(left, right) == counted
