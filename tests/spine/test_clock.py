"""Event time moves in steps, never back; steps run in their order, once more when told once more."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from shared.spine.clock import Clock, monotonic, on_step, wall_now
from shared.spine.errors import TransientError
from shared.spine.in_turn import in_turn
from tests.spine.told import NOW

DAY = timedelta(days=1)


async def test_steps_run_one_after_the_other_in_the_order_of_registration() -> None:
    clock, seen = Clock("replay"), []

    @clock.on_step
    async def first(now: datetime) -> None:
        seen.append(("first begins", now))
        await asyncio.gather(asyncio.to_thread(str))
        seen.append(("first ends", now))

    @on_step(clock)
    async def second(now: datetime) -> None:
        seen.append(("second", now))

    await asyncio.gather(clock.advance(NOW), clock.advance(NOW + DAY))
    one = ["first begins", "first ends", "second"]
    assert seen == [(name, NOW) for name in one] + [(name, NOW + DAY) for name in one]


async def test_the_clock_never_goes_back() -> None:
    clock = Clock("replay")
    await clock.advance(NOW)
    await clock.advance(NOW - DAY)
    clock.set(NOW - DAY)
    assert clock.now() == NOW


async def test_an_earlier_time_that_is_repeated_runs_the_steps_for_where_the_clock_stands() -> None:
    clock, seen = Clock("replay"), []

    @clock.on_step
    async def step(now: datetime) -> None:
        seen.append(now)

    await clock.advance(NOW)
    await clock.advance(NOW - DAY)
    assert seen == [NOW, NOW]


async def test_the_same_time_twice_runs_the_steps_twice() -> None:
    clock, seen = Clock("replay"), []

    @clock.on_step
    async def step(now: datetime) -> None:
        seen.append(now)

    await clock.advance(NOW)
    await clock.advance(NOW)
    assert seen == [NOW, NOW]


async def test_a_restored_time_runs_no_steps() -> None:
    clock = Clock("replay")

    @clock.on_step
    async def step(_now: datetime) -> None:
        raise AssertionError

    clock.set(NOW)
    assert clock.known == clock.now() == NOW


async def test_a_replay_that_has_not_begun_has_no_time_and_asks_for_patience() -> None:
    clock = Clock("replay")
    assert clock.known is None
    with pytest.raises(TransientError, match="not begun"):
        clock.now()


async def test_a_step_that_fails_is_told_to_the_replay_and_to_be_tried_again_in_production() -> None:
    clock, seen = Clock("replay"), asyncio.Event()

    @clock.on_step
    async def step(_now: datetime) -> None:
        if not tries.pop():
            raise TransientError("the store is away")
        seen.set()

    tries = [True, False]
    with pytest.raises(TransientError):
        await clock.advance(NOW)
    tries = [True, False]
    following = asyncio.create_task(Clock.follow_wall(clock, 0.001, "tiny"))
    async with asyncio.timeout(5):
        await seen.wait()
    following.cancel()


async def test_steps_that_fail_again_and_again_are_a_fault_until_one_comes_to_its_end() -> None:
    clock, faults, over = Clock("replay"), list[str](), asyncio.Event()
    failing = 5

    async def read() -> None:
        raise ValueError("no such column")

    @clock.on_step
    async def step(_now: datetime) -> None:
        faults.append(clock.fault)
        if len(faults) <= failing:
            await in_turn([("flights", read)])
        if len(faults) == failing + 2:
            over.set()

    following = asyncio.create_task(clock.follow_wall(0.001, "tiny"))
    async with asyncio.timeout(5):
        await over.wait()
    following.cancel()
    assert faults[:3] == ["", "", ""]
    assert faults[3] == "3 clock steps in a row have failed, the last of flights with ValueError('no such column')"
    assert faults[5].startswith("5 clock steps")
    assert faults[6] == ""


def test_in_production_event_time_is_the_time_of_the_machine() -> None:
    before = wall_now()
    now = Clock("wall").now()
    assert before <= now <= wall_now()
    assert now.tzinfo is UTC
    assert monotonic() <= monotonic()
