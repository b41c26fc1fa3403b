"""PURE: counts of what stands in columns."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TypeVar

Left = TypeVar("Left")
Right = TypeVar("Right")


def count_pairs(left: Sequence[Left], right: Sequence[Right]) -> Mapping[tuple[Left, Right], int]:
    """How often each pair of two columns stands there.

    >>> dict(count_pairs(["May", "May"], ["pay", "review"]))
    {('May', 'pay'): 1, ('May', 'review'): 1}
    """
    lefts, rights = set(left), set(right)
    # Most often one of them is the same throughout, and then no pair has to be made.
    if len(lefts) == 1:
        return {(one, each): right.count(each) for one in lefts for each in rights}
    if len(rights) == 1:
        return {(each, one): left.count(each) for one in rights for each in lefts}
    return Counter(zip(left, right, strict=True))
