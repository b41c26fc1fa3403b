"""The alarm keeps its promise on exchangeable blocks, finds what changed, and knows when it cannot be judged."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Literal

import numpy as np
import pytest

from services.monitor.block_statistics import BlockStatistics, Kind, summarise, with_loss_bins
from services.monitor.drift import (
    METHODS,
    Verdict,
    Watch,
    effect_size,
    gap_evidence,
    histogram_ranks,
    judge_drift,
    loss_ranks,
)
from shared.evidence.ranks import e_process_of_p
from shared.package.profile import score_bins

pytestmark = pytest.mark.slow

EDGES = score_bins(np.full((1, 1), 0.5))[0].edges
KIND = with_loss_bins(Kind("binary", ("no", "yes"), (EDGES,)), np.linspace(-0.125, 0.6, 200))
WATCH = Watch("flights", "day", 0.05, 1)
FIRST = date(2013, 1, 1)


def days(
    seed: int, count: int, *, after: int = 0, wrong: float = 0.0, rows: int = 60, moods: bool = True
) -> list[BlockStatistics]:
    """Days of calibrated scores, each day with a mood of its own; `wrong` of the labels are turned round."""
    random = np.random.default_rng(seed)
    found = []
    for day in range(count):
        chances = random.beta(1 + (random.random() if moods else 0.5), 3, rows)
        late = (random.random(rows) < chances) ^ (random.random(rows) < wrong)
        labels = np.where(late, "yes", "no").tolist()
        name = (FIRST + timedelta(days=after + day)).isoformat()
        found.append(summarise(KIND, name, chances[:, None].tolist(), labels, [None] * rows))
    return found


def first_alarm(watch: Watch, reference: Sequence[BlockStatistics], blocks: Sequence[BlockStatistics]) -> int | None:
    return next((n for n in range(1, len(blocks) + 1) if judge_drift(watch, reference, blocks[:n]).alarm), None)


def test_a_quiet_epoch_says_what_it_looked_at_and_does_not_alarm() -> None:
    verdict = judge_drift(WATCH, days(0, 40), days(1, 30, after=40))
    assert (verdict.unit, verdict.method, verdict.epoch, verdict.reason) == ("day", METHODS["day"], 1, None)
    assert verdict.alpha == pytest.approx(0.0304, abs=1e-4)
    assert verdict.threshold == pytest.approx(32.9, abs=0.1)
    assert set(verdict.signals) == {"excess_loss", "score"}
    assert not verdict.alarm
    assert abs(verdict.effect_size) < 0.05


def test_more_loss_than_the_reference_alarms_and_less_never_does() -> None:
    reference = days(0, 40)
    worse = days(1, 30, after=40, wrong=0.4)
    assert 3 <= (first_alarm(WATCH, reference, worse) or 999) <= 20
    verdict = judge_drift(WATCH, reference, worse[:20])
    assert verdict.signals["excess_loss"] > 100 * verdict.signals["score"]
    assert verdict.effect_size == effect_size(reference, worse[:20]) > 0.05
    better = [replace(one, loss=-0.2) for one in worse]
    assert judge_drift(WATCH, reference, better).signals["excess_loss"] < 1


def test_other_scores_alarm_without_any_label() -> None:
    moved = [
        replace(one, loss=None, labelled=0, score_counts=(one.score_counts[0][::-1],)) for one in days(1, 30, after=40)
    ]
    verdict = judge_drift(WATCH, days(0, 40), moved)
    assert verdict.alarm
    assert set(verdict.signals) == {"score"}


@pytest.mark.parametrize(("unit", "count"), [("week", 210), ("row", 30)])
def test_the_other_units_find_a_change_too_and_stay_quiet_without_one(unit: Literal["week", "row"], count: int) -> None:
    watch = replace(WATCH, unit=unit)
    # Rows are exchangeable only where days have no moods.
    moods = unit == "week"
    reference, quiet = days(0, 280, rows=30, moods=moods), days(1, count, after=280, rows=30, moods=moods)
    worse = days(1, count, after=280, wrong=0.4, rows=30, moods=moods)
    assert not judge_drift(watch, reference, quiet).alarm
    assert judge_drift(watch, reference, worse).signals["excess_loss"] > 100


def test_a_later_epoch_needs_more_and_draws_other_lots() -> None:
    reference, blocks = days(0, 40), days(1, 10, after=40)
    one, two = (judge_drift(replace(WATCH, epoch=epoch), reference, blocks) for epoch in (1, 2))
    assert two.threshold == pytest.approx(4 * one.threshold)
    assert one.signals != two.signals
    assert judge_drift(WATCH, reference, blocks) == one


def test_the_cost_gap_has_evidence_of_its_own_and_needs_a_reference() -> None:
    random = np.random.default_rng(1)
    before, quiet = random.normal(size=40).tolist(), random.normal(size=40).tolist()
    named = [(f"2013-04-{day:02}", gap) for day, gap in enumerate(quiet, 1)]
    still = gap_evidence(WATCH, before, named)
    grown = gap_evidence(WATCH, before, [(name, gap + 4) for name, gap in named])
    assert still is not None
    assert grown is not None
    assert still < 1 / WATCH.epoch_alpha < grown
    assert gap_evidence(WATCH, before[:3], named) is None
    assert gap_evidence(WATCH, before, []) is None


def test_ranks_of_exchangeable_blocks_alarm_in_at_most_alpha_of_the_runs() -> None:
    random = np.random.default_rng(0)
    losses = alarms = 0
    for _ in range(200):
        # Blocks differ far more than rows would: a mood per block.
        mood = random.gamma(2, 1, 120)
        losses += (
            max(e_process_of_p(loss_ranks(mood[:20].tolist(), mood[20:].tolist(), random.random(100).tolist()))) >= 20
        )
        shapes = np.cumsum(random.dirichlet(np.ones(8), 120), axis=1)
        alarms += max(e_process_of_p(histogram_ranks(shapes[:20], shapes[20:], random.random(100).tolist()))) >= 20
    assert losses <= 10
    assert alarms <= 10


def test_golden_numbers_of_the_ranks() -> None:
    assert loss_ranks([1.0, 2.0, 3.0], [4.0, 0.0], [0.5, 0.5]) == pytest.approx([0.125, 0.9])
    shapes = np.array([[0.5, 1.0], [0.5, 1.0], [0.5, 1.0]])
    assert histogram_ranks(shapes, np.array([[0.9, 1.0]]), [0.5]) == pytest.approx([0.125])
    assert histogram_ranks(shapes, shapes[:1], [0.5]) == pytest.approx([0.5])


def test_what_cannot_be_judged_says_why_and_never_alarms() -> None:
    def reason(
        reference: Sequence[BlockStatistics], blocks: Sequence[BlockStatistics], watch: Watch = WATCH
    ) -> Verdict:
        verdict = judge_drift(watch, reference, blocks)
        assert not verdict.alarm
        assert verdict.reason is not None
        return verdict

    reference, worse = days(0, 40), days(1, 20, after=40, wrong=0.5)
    empty = summarise(KIND, "2013-04-30", [], [], [])
    assert "the reference has 0 days" in str(reason([], worse).reason)
    assert "the reference has 1 weeks" in str(reason(days(0, 8), worse, replace(WATCH, unit="week")).reason)
    assert "no block of this epoch" in str(reason(reference, []).reason)
    assert "usable rows" in str(reason(reference, [*worse, empty]).reason)
    assert reason(reference, [*worse, empty]).e_value == judge_drift(WATCH, reference, worse).e_value
    other = replace(worse[0], score_counts=((1, 2, 3),))
    assert "other bins" in str(reason(reference, [other]).reason)


@pytest.mark.parametrize("unit", ["row", "day", "week"])
def test_awkward_blocks_never_raise(unit: Literal["row", "day", "week"]) -> None:
    watch = replace(WATCH, unit=unit)
    name = "2013-02-20"
    awkward = [
        summarise(KIND, name, [], [], []),
        summarise(KIND, name, [[0.5]], ["yes"], [None]),
        summarise(KIND, name, [[0.5]] * 50, ["yes"] * 50, [None] * 50),
        summarise(KIND, name, [[float("nan")]] * 50, [None] * 50, [None] * 50),
        summarise(KIND, name, [[float("inf")]] * 50, ["yes"] * 50, [None] * 50),
        summarise(KIND, name, [[7.0]] * 50, ["other"] * 50, [None] * 50),
    ]
    for block in awkward:
        for blocks in ([block], [*days(1, 9, after=40), block], [block] * 3):
            for reference in (days(0, 40), [block] * 5, []):
                assert np.isfinite(judge_drift(watch, reference, blocks).e_value)
