"""A backtest earns what was earned when nothing changes, and says what it cannot know."""

import json
from collections.abc import Sequence
from datetime import date, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from rich.console import Console

from headrace.backtest import Asked, make, past_of
from headrace.backtest_report import Backtest
from headrace.errors import CommandError
from headrace.show_backtest import show_backtest
from services.monitor.blocks import report_block
from shared.contract import Contract, decide_in_order, derive_policy
from shared.evaluation.block import evaluate_block
from shared.evaluation.models import Models
from shared.events import Event, KpiReported
from shared.feedback.joined import joined
from shared.package import PackageRefused, read_package
from tests.registry.toy import NOW, Toy, contract
from tests.trainer.bench import CONTRACT, DAY, Bench, applied, judged, released

pytestmark = pytest.mark.slow
LATER = NOW + 30 * DAY
SMALL = contract(
    ("limit: 40", "limit: 2"),
    ("gates: {max_brier: 0.25}", "gates: {max_brier: 0.25}\nretraining: {on: [drift, schedule], every: 1 month}"),
)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def reported(bench: Bench, toy: Toy, day: int, release: int = 1) -> KpiReported:
    """What the monitor would say of a block."""
    block = (NOW + day * DAY).date().isoformat()
    rows = joined(bench.settings.feedback_location, "trains", LATER, [block])
    report = report_block(rows.filter(rows["release_sequence"] == release), CONTRACT, block, LATER)
    return judged(day, toy, release, **report.as_dict())


def release_of(toy: Toy, sequence: int = 1, given: Contract = CONTRACT) -> Event:
    """As the registry publishes it: the policy that its package's demand makes of the contract."""
    policy = derive_policy(given, read_package(toy.path).demand()).model_dump(mode="json")
    return released(toy, sequence, NOW).model_copy(update={"policy": policy})


def tried(bench: Bench, events: Sequence[Event], days: int = 4, **asked: Any) -> Backtest:
    """Backtest the days from NOW on."""
    models = Models(bench.store, bench.folder / "cache")
    first = NOW.date()
    wanted = Asked("trains", first, first + timedelta(days=days - 1), LATER, **asked)
    return make(wanted, past_of("trains", [applied(), *events]), bench.settings.feedback_location, models)


def served(bench: Bench, days: int = 4) -> tuple[Toy, list[Event]]:
    """Days of one release, some rows without a label and some flagged, with its reports."""
    toy = bench.package(0)
    for day in range(days):
        bench.serve(day, toy, labelled=0.9, flagged=3)
    return toy, [release_of(toy), *(reported(bench, toy, day) for day in range(days))]


def test_the_released_contract_and_package_earn_exactly_what_was_reported(bench: Bench) -> None:
    _, events = served(bench)
    found = tried(bench, events)
    assert found.reproduces
    assert (found.changed, found.redecided_otherwise, found.total("better")) == (0, 0, 0)
    assert found.total("value") == found.total("earned") == sum(one.earned for one in found.blocks) != 0
    assert [(one.volume, one.labelled) for one in found.blocks] == [(200, 180)] * 4
    assert found.unknown == {"awaiting": 0, "never_labelled": 80}


def test_control_cases_stay_control_cases_whatever_is_tried(bench: Bench) -> None:
    toy = bench.package(0)
    for day in range(3):
        bench.serve(day, toy, flagged=3, control=0.2)
    events = [release_of(toy), *(reported(bench, toy, day) for day in range(3))]
    released, small = tried(bench, events, days=3), tried(bench, events, days=3, contract=SMALL)
    assert released.reproduces
    assert released.redecided_otherwise == 0
    rows = joined(bench.settings.feedback_location, "trains", LATER)
    control = rows.filter(rows["arm"] == "control")
    assert control.height > 60
    assert set(control["decision"].to_list()) == {"none"}
    # A package that would review everything still meets them as they were drawn.
    model = Models(bench.store, bench.folder / "cache").get(toy.digest)
    evaluated = evaluate_block(rows, model.score(rows), model.policy(CONTRACT))
    assert evaluated.cost_minor == evaluated.served_cost_minor
    assert small.changed > 0


def test_the_released_package_by_name_and_the_released_contract_as_a_file_are_the_same(bench: Bench) -> None:
    toy, events = served(bench)
    by_name, by_file = tried(bench, events, package=toy.digest), tried(bench, events, contract=CONTRACT)
    assert by_name.blocks == by_file.blocks == tried(bench, events).blocks


def test_a_smaller_team_takes_what_it_can_and_the_rest_is_decided_otherwise(bench: Bench) -> None:
    _, events = served(bench)
    found = tried(bench, events, contract=SMALL)
    assert max(one.decisions["review"] for one in found.blocks) == 2
    assert found.reproduces
    assert found.changed > 0
    interval = found.interval()
    assert interval is not None
    assert interval[0] < (found.total("better") or 0) < interval[1]


def test_a_smaller_team_earns_what_it_earned_where_it_was_real(bench: Bench) -> None:
    _, events = served(bench)
    location, models = bench.settings.feedback_location, Models(bench.store, bench.folder / "cache")
    rows = joined(location, "trains", LATER)
    policy = models.get(str(rows["package_digest"][0])).policy(SMALL)
    scores = rows["scores"].to_list()
    flagged = (rows["flagged"].list.len() > 0).to_list()
    really = decide_in_order(policy, rows["block"].to_list(), scores, flagged).decisions
    frame = rows.with_columns(decision=pl.Series(really))
    found = tried(bench, events, contract=SMALL)
    for one in found.blocks:
        report = report_block(frame.filter(frame["block"] == one.block), SMALL, one.block, LATER)
        assert (one.value, one.decisions) == (report.value_minor, report.decisions)


def test_another_package_is_scored_on_days_that_it_never_saw(bench: Bench) -> None:
    _, events = served(bench)
    other = bench.package(1, days=2)
    found = tried(bench, events, package=other.digest)
    assert [one.block for one in found.blocks] == [(NOW + day * DAY).date().isoformat() for day in (2, 3)]
    assert any("fitted on them" in note for note in found.notes)
    assert found.changed > 0
    with pytest.raises(CommandError, match="fitted on all of these days"):
        tried(bench, events, package=bench.package(2, days=9).digest)


def test_two_releases_in_one_block_share_its_capacity(bench: Bench) -> None:
    first, second = bench.package(0), bench.package(1)
    bench.serve(0, first, release=1, rows=100)
    bench.serve(0, second, release=2, rows=100, hour=2)
    events = [release_of(first), release_of(second, 2), reported(bench, first, 0), reported(bench, second, 0, 2)]
    found = tried(bench, events, days=1, contract=SMALL)
    assert found.blocks[0].volume == 200
    assert found.blocks[0].decisions["review"] == 2


def test_where_the_method_does_not_reproduce_what_happened_it_says_by_how_much(bench: Bench) -> None:
    toy, events = served(bench, days=2)
    swapped = release_of(toy, given=SMALL)
    found = tried(bench, [swapped, *events[1:]], days=2)
    assert not found.reproduces
    assert found.redecided_otherwise > 0
    assert "blocks differ" in shown(found)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ([("use_case: trains", "use_case: trams")], "is for trams"),
        ([("late: 5.00", "late: 6.00")], None),
    ],
)
def test_a_contract_that_does_not_fit_is_refused_by_name(
    bench: Bench, changes: list[tuple[str, str]], words: str | None
) -> None:
    _, events = served(bench, days=2)
    if words is None:
        dearer = tried(bench, events, days=2, contract=contract(*changes))
        assert dearer.total("served_cost") != tried(bench, events, days=2).total("served_cost")
        return
    with pytest.raises(CommandError, match=words):
        tried(bench, events, days=2, contract=contract(*changes))


def test_decisions_under_other_names_are_valued_and_not_compared(bench: Bench) -> None:
    _, events = served(bench, days=2)
    found = tried(bench, events, days=2, contract=contract(("  act:", "  warn:")))
    assert set(found.blocks[0].decisions) == {"none", "review", "warn"}
    assert found.total("value") != 0
    assert (found.total("better"), found.interval()) == (None, None)
    assert "has no price in this contract" in shown(found)


def test_what_is_missing_is_named(bench: Bench) -> None:
    toy, events = served(bench, days=2)
    with pytest.raises(CommandError, match="no use case 'trains'"):
        past_of("trains", [])
    with pytest.raises(CommandError, match="no block is reported yet"):
        tried(bench, events[:1])
    with pytest.raises(CommandError, match="has no release 1"):
        tried(bench, events[1:])
    with pytest.raises(PackageRefused, match="no package"):
        tried(bench, events, package="ab" * 32)
    assert any("days without a report are left out" in note for note in tried(bench, events, days=9).notes)
    assert toy.digest in {
        str(one) for one in joined(bench.settings.feedback_location, "trains", LATER)["package_digest"]
    }


def test_people_and_programs_are_told_the_same(bench: Bench) -> None:
    _, events = served(bench)
    found = tried(bench, events, contract=SMALL)
    told = json.loads(json.dumps(found.to_json()))
    assert told["reproduces"]
    assert told["total"]["better"] == sum(one["better"] for one in told["blocks"])
    text = shown(found)
    assert "in every block to the cent what was reported" in text
    assert "plain 95 % interval" in text
    assert "80 decisions were never labelled" in text
    assert date.fromisoformat(told["blocks"][0]["block"]) == NOW.date()


def shown(found: Backtest) -> str:
    text = StringIO()
    show_backtest(found, Console(file=text, width=200))
    return text.getvalue()
