"""Waiting requests share one call of the model and get what each would have got alone."""

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest

from services.serving.loading import make_scorer
from services.serving.score import BadRowError, Coalescer, OverloadedError, Scores, score_together
from shared.package import read_package
from tests.serving.toy import make_toy, rows_of


def double(columns: Mapping[str, Sequence[object]]) -> Scores:
    """A model that cannot stand the number 3."""
    sizes = [size for size in columns["size"] if isinstance(size, float)]
    if 3.0 in sizes:
        raise ValueError("three")
    return [[size * 2] for size in sizes]


def test_one_bad_row_fails_alone() -> None:
    asked = [rows_of(1.0), rows_of(2.0, 3.0), rows_of(4.0, 5.0)]
    first, bad, last = score_together(double, asked)
    assert (first, last) == ([[2.0]], [[8.0], [10.0]])
    assert isinstance(bad, BadRowError)
    assert bad.position == 1


async def test_what_waits_while_the_model_works_shares_the_next_call() -> None:
    go, calls = Event(), []

    def slow(columns: Mapping[str, Sequence[object]]) -> Scores:
        calls.append(len(columns["size"]))
        go.wait(5)
        return double(columns)

    with ThreadPoolExecutor(1) as executor:
        coalescer = Coalescer(slow, executor)
        tasks = [asyncio.create_task(coalescer.score(rows_of(float(number)))) for number in (1, 4, 5, 6)]
        while not calls:
            await asyncio.wait(tasks, timeout=0.001)
        later = [
            asyncio.create_task(coalescer.score(rows_of(7.0, 8.0))),
            asyncio.create_task(coalescer.score(rows_of(9.0))),
        ]
        await asyncio.wait(later, timeout=0.01)
        go.set()
        assert await asyncio.gather(*tasks, *later) == [
            [[2.0]],
            [[8.0]],
            [[10.0]],
            [[12.0]],
            [[14.0], [16.0]],
            [[18.0]],
        ]
    assert calls == [4, 3]


async def test_too_many_waiting_rows_are_turned_away() -> None:
    go = Event()

    def stuck(columns: Mapping[str, Sequence[object]]) -> Scores:
        go.wait(5)
        return double(columns)

    with ThreadPoolExecutor(1) as executor:
        coalescer = Coalescer(stuck, executor)
        tasks = [asyncio.create_task(coalescer.score(rows_of(*[1.0] * 1000))) for _ in range(60)]
        await asyncio.wait(tasks, timeout=0.05)
        go.set()
        results = await asyncio.gather(*tasks, return_exceptions=True)
    assert any(isinstance(result, OverloadedError) for result in results)
    assert any(isinstance(result, list) for result in results)


async def test_a_real_model_scores_coalesced_rows_as_it_scores_them_alone(tmp_path: Path) -> None:
    scorer = make_scorer(read_package(make_toy(tmp_path).path))
    asked = [rows_of(number / 7, None, -number / 3) for number in range(40)]
    alone = [scorer(rows.columns()) for rows in asked]
    assert score_together(scorer, asked) == alone
    with ThreadPoolExecutor(1) as executor:
        coalescer = Coalescer(scorer, executor)
        assert await asyncio.gather(*(coalescer.score(rows) for rows in asked)) == alone


async def test_a_stopped_server_says_overloaded() -> None:
    executor = ThreadPoolExecutor(1)
    executor.shutdown()
    with pytest.raises(OverloadedError, match="stopping"):
        await Coalescer(double, executor).score(rows_of(1.0))
