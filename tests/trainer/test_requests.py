"""Who asked first decides nothing: requests wait for the clock, and one cause starts one run."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from services.trainer.app import count_pending
from services.trainer.causes import from_document
from shared.events import DriftDetected, Event, TrainingFinished, TrainingRequested
from tests.registry.toy import NOW
from tests.trainer.bench import DAY, HOUR, Bench, applied, asked, drift, rejected, released


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    bench = Bench(tmp_path)
    await bench.db.create_tables()
    await bench.hear(applied())
    yield bench
    await bench.db.close()


async def test_a_person_is_answered_at_once_and_a_service_at_the_next_clock_step(bench: Bench) -> None:
    await bench.hear(asked(1, NOW))
    assert await bench.list_runs() == []
    await bench.step(NOW)
    assert await bench.list_runs() == []
    await bench.hear(asked(2, NOW, "person"))
    assert [(run.cause["id"], run.state) for run in await bench.list_runs()] == [("request-2", "queued")]
    await bench.step(NOW + DAY)
    (finished,) = await bench.said(TrainingFinished)
    assert (finished.causation_id, finished.time) == ("request-1", NOW + DAY)
    assert "is not finished yet" in finished.reason


async def test_a_drift_starts_a_run_as_of_the_step_that_is_pending_at_once_and_names_it_as_cause(bench: Bench) -> None:
    event = drift(1, NOW)
    await bench.hear(event)
    await bench.step(NOW + DAY)
    (run,) = await bench.list_runs()
    assert (run.state, run.as_of, run.seed) == ("queued", NOW + DAY, 7)
    assert from_document(run.cause) == event
    assert run.reason.startswith("drift in block 2013-03-01: e-value 50 over 20")
    assert await count_pending(bench.db) == {"runs_open": 1}


async def test_a_hundred_signals_of_one_drift_are_one_run(bench: Bench) -> None:
    await bench.hear(*[drift(number % 50, NOW) for number in range(100)])
    await bench.step(NOW + DAY)
    runs = await bench.list_runs()
    assert [run.state for run in runs].count("queued") == 1
    assert {run.reason for run in runs if run.state == "declined"} == {
        f"declined, because run {next(run.id for run in runs if run.state == 'queued')} was started for the same cause "
        "already"
    }
    assert len(await bench.said(TrainingFinished)) == 49
    await bench.finish()
    await bench.hear(drift(99, NOW + DAY))
    await bench.step(NOW + 2 * DAY)
    assert [run.state for run in await bench.list_runs()].count("failed") == 1
    assert await count_pending(bench.db) == {"runs_open": 0}


async def test_the_order_of_arrival_decides_nothing(bench: Bench, tmp_path: Path) -> None:
    events: list[Event] = [drift(2, NOW), drift(1, NOW, epoch=2), asked(5, NOW), asked(4, NOW - HOUR), asked(9, NOW)]
    other = Bench(tmp_path / "other")
    await other.db.create_tables()
    await other.hear(applied(), *reversed(events))
    await bench.hear(*events)
    for one in (bench, other):
        await one.step(NOW + DAY)
    found = [[(run.id, run.state, run.reason) for run in await one.list_runs()] for one in (bench, other)]
    assert found[0] == found[1]
    (started,) = [run for run in await bench.list_runs() if run.state == "queued"]
    assert started.cause["id"] == "request-4"
    await other.db.close()


async def test_the_same_step_again_decides_nothing_anew(bench: Bench) -> None:
    await bench.hear(drift(1, NOW), drift(2, NOW, epoch=2))
    await bench.step(NOW + DAY)
    before = len(await bench.said(Event))
    await bench.hear(drift(1, NOW))
    await bench.step(NOW + DAY)
    assert len(await bench.said(Event)) == before
    assert len(await bench.list_runs()) == 2


async def test_a_request_from_a_clock_that_is_ahead_does_not_wait_for_years(bench: Bench) -> None:
    await bench.hear(asked(1, NOW + 4000 * DAY))
    await bench.step(NOW + HOUR)
    assert [run.state for run in await bench.list_runs()] == ["queued"]


async def test_a_retraining_that_did_not_help_makes_the_next_drift_wait_longer(bench: Bench) -> None:
    async def drifts(number: int, day: int) -> str:
        await bench.hear(drift(number, NOW + (day - 1) * DAY, epoch=number))
        await bench.step(NOW + day * DAY)
        (run,) = [run for run in await bench.list_runs() if run.cause["id"] == f"drift-{number}"]
        return run.reason if run.state == "declined" else run.state

    assert await drifts(1, 1) == "queued"
    await bench.finish("c" * 64)
    assert "the cooldown is 14d; free at 2013-03-16" in await drifts(2, 10)
    await bench.hear(rejected("c" * 64, NOW + 11 * DAY, "expired"))
    assert "2 times that after retrainings that did not help (1 in a row); free at 2013-03-30" in await drifts(3, 16)
    assert await drifts(4, 29) == "queued"
    await bench.finish("d" * 64)
    await bench.hear(rejected("d" * 64, NOW + 30 * DAY, "superseded"))
    assert "free at 2013-04-27" in await drifts(5, 40)
    # People are bound neither by cooldown nor by back-off.
    await bench.hear(asked(6, NOW + 40 * DAY, "person"))
    assert [run.state for run in await bench.list_runs() if run.cause["id"] == "request-6"] == ["queued"]


async def test_a_rejection_at_the_time_of_the_step_counts_from_the_next_one_on(bench: Bench) -> None:
    await bench.hear(drift(1, NOW))
    await bench.step(NOW + DAY)
    await bench.finish("c" * 64)
    await bench.hear(drift(2, NOW + 14 * DAY, epoch=2), rejected("c" * 64, NOW + 15 * DAY))
    await bench.step(NOW + 15 * DAY)
    assert await count_pending(bench.db) == {"runs_open": 1}


async def test_the_schedule_asks_by_itself_a_month_after_the_last_run_and_says_so(bench: Bench) -> None:
    await bench.step(NOW + 365 * DAY)
    assert await bench.list_runs() == []
    bench.clock = type(bench.clock)("replay", NOW)
    await bench.hear(asked(1, NOW, "person"))
    await bench.finish()
    due = NOW.replace(month=4)
    await bench.step(due - timedelta(seconds=1))
    assert len(await bench.list_runs()) == 1
    await bench.step(due)
    await bench.step(due)
    (request,) = await bench.said(TrainingRequested)
    assert (request.kind_of_cause, request.time, request.causation_id) == ("schedule", due, None)
    assert request.reason == "the schedule: due since 2013-04-01T00:00+00:00"
    run = (await bench.list_runs())[-1]
    assert (run.state, run.as_of, run.cause["id"]) == ("queued", due, request.id)
    # It hears its own request, which was decided already.
    await bench.hear(request)
    await bench.finish()
    await bench.step(due + DAY)
    assert len(await bench.list_runs()) == 2
    assert await bench.said(TrainingFinished) == []


async def test_drift_goes_before_the_schedule_which_then_counts_from_that_run(bench: Bench) -> None:
    await bench.hear(asked(1, NOW, "person"))
    await bench.finish()
    due = NOW.replace(month=4)
    await bench.hear(drift(1, due - HOUR))
    await bench.step(due)
    started = [run.cause for run in await bench.list_runs() if run.state == "queued"]
    assert [from_document(cause).topic for cause in started] == [DriftDetected.topic]
    assert await bench.said(TrainingRequested) == []


async def test_whoever_asks_because_of_a_drift_that_started_a_run_is_told_of_that_run(bench: Bench) -> None:
    event = drift(1, NOW)
    await bench.hear(event)
    await bench.step(NOW + DAY)
    await bench.finish()
    again = TrainingRequested.follow(
        event, "x", source="other", time=NOW + DAY, use_case="trains", reason="drift", requested_by="other"
    )
    await bench.hear(again)
    await bench.step(NOW + 2 * DAY)
    (finished,) = await bench.said(TrainingFinished)
    assert "was started for the same cause already" in finished.reason


async def test_a_released_package_ends_the_row_of_retrainings_that_did_not_help(bench: Bench) -> None:
    for number, day in ((1, 1), (2, 40)):
        await bench.hear(drift(number, NOW + (day - 1) * DAY, epoch=number))
        await bench.step(NOW + day * DAY)
        toy = bench.package(number, day)
        await bench.finish(toy.digest)
        if number == 1:
            await bench.hear(rejected(toy.digest, NOW + 2 * DAY))
        else:
            await bench.hear(released(toy, 1, NOW + 41 * DAY))
    await bench.hear(drift(3, NOW + 53 * DAY, epoch=3))
    await bench.step(NOW + 54 * DAY)
    assert [run.state for run in await bench.list_runs()] == ["trained", "trained", "queued"]
