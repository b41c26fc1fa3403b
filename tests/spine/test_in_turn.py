"""Trouble with one use case keeps no other from its turn, and is told when all have had theirs."""

from functools import partial

import pytest

from shared.spine.errors import TransientError
from shared.spine.in_turn import Work, in_turn


async def test_all_have_their_turn_though_one_fails_and_nothing_more_is_done_for_that_one() -> None:
    done: list[str] = []

    async def add(what: str) -> None:
        done.append(what)
        if what == "flights 1":
            raise ValueError("a broken row")

    work = [("flights", "flights 1"), ("loans", "loans 1"), ("flights", "flights 2"), ("loans", "loans 2")]
    with pytest.raises(ValueError, match="a broken row"):
        await in_turn((name, partial(add, what)) for name, what in work)
    assert done == ["flights 1", "loans 1", "loans 2"]


async def test_of_several_failures_the_one_is_told_that_another_try_may_mend() -> None:
    async def fail(error: Exception) -> None:
        raise error

    work: list[tuple[str, Work]] = [
        ("flights", partial(fail, ValueError("a bug"))),
        ("loans", partial(fail, TransientError("the database is away"))),
    ]
    with pytest.raises(TransientError, match="away"):
        await in_turn(work)


async def test_nobody_who_has_no_work_fails() -> None:
    await in_turn([])
