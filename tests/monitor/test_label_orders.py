"""Late, early, repeated, corrected and missing labels each land once in the right block, in any order of arrival."""

import asyncio
import datetime as dt
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.events import KpiReported
from tests.feedback.streams import NOON, happened, served, store
from tests.monitor.test_closing import CONTRACT, DAY, MIDNIGHT, Bench

LABELS = ("late", "on_time")
# A decision to act costs nothing on a late flight and 1.00 on one that is on time; doing nothing costs 5.00 and 0.00.
COST, WITHOUT = {"late": 0, "on_time": 100}, {"late": 500, "on_time": 0}


@dataclass(frozen=True)
class Told:
    """A label: of flight `number`, known so many hours after its noon, told on a day, so many times."""

    number: int
    label: str
    known_after_hours: int
    on_day: int
    times: int


@dataclass(frozen=True)
class Story:
    """Flights by the day they leave and the day they are heard of, and what is told of them."""

    flights: Sequence[tuple[int, int]]
    told: Sequence[Told]


@st.composite
def stories(draw: st.DrawFn) -> Story:
    flights = draw(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=5))
    labels = st.builds(
        Told,
        number=st.integers(0, len(flights)),
        label=st.sampled_from(LABELS),
        known_after_hours=st.integers(1, 60),
        on_day=st.integers(0, 6),
        times=st.integers(1, 2),
    )
    return Story([(left, left + late) for left, late in flights], draw(st.lists(labels, max_size=8)))


def noon_of(story: Story, number: int) -> dt.datetime:
    """When a flight left; a stranger (no flight at all) is given the first day."""
    return NOON + (story.flights[number][0] if number < len(story.flights) else 0) * DAY


def known_at(story: Story, one: Told) -> dt.datetime:
    return noon_of(story, one.number) + dt.timedelta(hours=one.known_after_hours)


def expected(story: Story, block: int, now: dt.datetime) -> tuple[int, int, int, int]:
    """Volume, labelled, cost and cost without the model of a block, counted by hand."""
    numbers = [number for number, (left, heard) in enumerate(story.flights) if left == block]
    labels: dict[int, str] = {}
    # The latest known counts; of two known at once, the one that was told last.
    arrived = sorted(story.told, key=lambda one: one.on_day)
    for one in sorted(arrived, key=lambda one: known_at(story, one)):
        if known_at(story, one) <= now:
            labels[one.number] = one.label
    known = [labels[number] for number in numbers if number in labels]
    return len(numbers), len(known), sum(COST[label] for label in known), sum(WITHOUT[label] for label in known)


async def play(story: Story, folder: Path) -> list[KpiReported]:
    """Day by day: what is heard comes into the tables, then the clock steps, twice."""
    bench = Bench(folder)
    await bench.db.create_tables()
    await bench.apply_contract()
    offsets = {"flights": 0, "told": 0}
    for day in range(12):
        heard = [served(f"f{number}", [NOON + left * DAY], contract_digest=CONTRACT.digest)
                 for number, (left, on) in enumerate(story.flights) if on == day]  # fmt: skip
        told = [
            happened({f"f{one.number}/0": one.label}, known_at(story, one))
            for one in story.told
            if one.on_day == day
            for _ in range(one.times)
        ]
        # Some flights are sent twice.
        store(bench.location, [*heard, *heard[:1]], start=offsets["flights"])
        store(bench.location, outcomes=told, start=offsets["told"])
        offsets = {"flights": offsets["flights"] + len(heard) + 1, "told": offsets["told"] + len(told)}
        for _ in range(2):
            await bench.closing.step(MIDNIGHT + day * DAY)
    reports = await bench.reports()
    await bench.db.close()
    return reports


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(story=stories())
def test_every_order_of_arrival_gives_the_same_blocks_and_each_correction_names_what_it_replaces(story: Story) -> None:
    with tempfile.TemporaryDirectory() as folder:
        reports = asyncio.run(play(story, Path(folder)))
    end = MIDNIGHT + 11 * DAY
    by_block: dict[str, list[KpiReported]] = {}
    for report in reports:
        by_block.setdefault(report.block, []).append(report)
    days = sorted({left for left, _ in story.flights})
    assert sorted(by_block) == [(NOON + day * DAY).date().isoformat() for day in days]
    for day in days:
        told = by_block[(NOON + day * DAY).date().isoformat()]
        assert [one.revision for one in told] == list(range(1, len(told) + 1))
        assert [one.replaces for one in told] == [None, *(one.id for one in told[:-1])]
        numbers = [one.model_dump(exclude={"id", "time", "revision", "replaces", "correlation_id"}) for one in told]
        assert all(before != after for before, after in pairwise(numbers)), "said once"
        last = told[-1]
        found = last.volume, last.labelled, last.cost_minor, last.cost_without_model_minor
        assert found == expected(story, day, end)
        assert last.volume == last.labelled + last.awaiting + last.given_up
        assert (last.awaiting, last.value_minor) == (0, last.cost_without_model_minor - last.cost_minor)
