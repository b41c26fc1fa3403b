"""The value of a period from topics and tables: the same money to the cent, and what differs is named."""

import json
from datetime import date, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from headrace.backtest import Past, past_of
from headrace.errors import CommandError
from headrace.show_value import show_value
from headrace.value import Value, make
from services.monitor.blocks import report_block
from shared.contract import Contract
from shared.contract.arms import draw_of
from shared.events import Event, KpiReported, Outcome, OutcomeRecorded, UseCaseApplied
from shared.feedback.joined import joined
from shared.spine.settings import SpineSettings
from tests.feedback.contracts import FLIGHTS, arrival_contract, flights_contract
from tests.feedback.streams import NOON, happened, served, store
from tests.headrace.test_backtest import LATER, release_of, reported
from tests.registry.toy import NOW
from tests.trainer.bench import Bench, applied

DAY = timedelta(days=1)
FIRST = NOON.date()


def past(*reports: KpiReported, contract: Contract) -> Past:
    """The topics, as far as they are read."""
    event = UseCaseApplied.begin(
        source="registry", time=NOON, use_case=contract.use_case, contract_digest=contract.digest,
        contract=contract.to_json(), revision=1, changed=[], signed_by="desk",
    )  # fmt: skip
    events: list[Event] = [event, *reports]
    return past_of(contract.use_case, events)


def report(home: Path, contract: Contract, day: int, **changes: Any) -> KpiReported:
    """What the monitor says of a day, from the tables."""
    block = (FIRST + day * DAY).isoformat()
    rows = joined(home / "feedback", contract.use_case, NOON + 9 * DAY, [block])
    numbers = report_block(rows, contract, block, NOON + 9 * DAY).as_dict() | changes
    return KpiReported.begin(
        source="monitor", time=NOON + 9 * DAY, use_case=contract.use_case, block=block, release_sequence=1,
        package_digest="a" * 64, behaviour_digest="b" * 64, contract_digest=contract.digest, revision=1, **numbers,
    )  # fmt: skip


def serve(home: Path, contract: Contract, day: int, count: int = 200) -> None:
    """A day on which every fourth flight is late and the model is right about half of them."""
    draw, name = draw_of(contract, 7), f"d{day}"
    times = [NOON + day * DAY + timedelta(seconds=row) for row in range(count)]
    decisions = ["act" if row % 8 == 0 else "none" for row in range(count)]
    event = served(name, times, decisions=decisions, use_case=contract.use_case, contract_digest=contract.digest)
    if draw is not None:
        drawn = draw.arms(name, event.flagged)
        decided = ["none" if control else decision for control, decision in zip(drawn.control, decisions, strict=True)]
        changes = {"arms": drawn.arms, "propensities": drawn.propensities, "decisions": decided}
        event = event.model_copy(update=changes)
    labels = {f"{name}/{row}": "late" if row % 4 == 0 else "on_time" for row in range(count)}
    told = happened(labels, known_at=NOON + (day + 1) * DAY, use_case=contract.use_case)
    store(home / "feedback", [event], [told], start=day)


def value(home: Path, known: Past, days: int = 3) -> Value:
    last = FIRST + (days - 1) * DAY
    return make(known, "flights", FIRST, last, NOON + 9 * DAY, SpineSettings(home=home), home / "cache")


def shown(found: Value, width: int = 250) -> str:
    text = StringIO()
    show_value(found, Console(file=text, width=width))
    return text.getvalue()


def test_tables_and_reports_have_the_same_money_to_the_cent(tmp_path: Path) -> None:
    contract = flights_contract()
    for day in range(3):
        serve(tmp_path, contract, day)
    found = value(tmp_path, past(*(report(tmp_path, contract, day) for day in range(3)), contract=contract))
    # 25 of 200 flights a day are late and acted on: each saves 5.00.
    assert found.period.value_minor == found.check.table_minor == found.check.reports_minor == 3 * 25 * 500
    assert found.check.same
    text = shown(found)
    assert "in every block to the cent as reported" in text
    assert "not causal" in text
    assert "plain 95 % interval" in text
    narrow = shown(found, 80)
    assert "…" not in narrow
    for whole in (FIRST.isoformat(), "375.00", "what bound"):
        assert whole in narrow


def test_a_cent_too_many_in_a_report_is_found_and_its_block_named(tmp_path: Path) -> None:
    contract = flights_contract()
    for day in range(2):
        serve(tmp_path, contract, day)
    wrong = report(tmp_path, contract, 1, value_minor=25 * 500 + 1)
    found = value(tmp_path, past(report(tmp_path, contract, 0), wrong, contract=contract))
    assert found.check.differing == ((FIRST + DAY).isoformat(),)
    assert "1 blocks differ, the first is 2013-03-02" in shown(found)
    assert json.loads(json.dumps(found.to_json()))["reconciled"]["same"] is False


def test_a_correction_replaces_the_report_that_it_names(tmp_path: Path) -> None:
    contract = flights_contract()
    serve(tmp_path, contract, 0)
    before = report(tmp_path, contract, 0)
    corrected = happened({"d0/0": "on_time"}, known_at=NOON + 3 * DAY)
    store(tmp_path / "feedback", (), [corrected], start=9)
    after = report(tmp_path, contract, 0).model_copy(update={"revision": 2, "replaces": before.id})
    assert after.value_minor == before.value_minor - 600
    assert not value(tmp_path, past(before, contract=contract), 1).check.same
    found = value(tmp_path, past(before, after, contract=contract), 1)
    assert (found.check.same, found.period.value_minor) == (True, after.value_minor)


def test_a_control_share_makes_it_causal(tmp_path: Path) -> None:
    contract = flights_contract(control_share=0.2)
    for day in range(3):
        serve(tmp_path, contract, day)
    found = value(tmp_path, past(*(report(tmp_path, contract, day) for day in range(3)), contract=contract))
    assert found.check.same
    assert found.period.is_causal
    assert "causal: cases drawn at random were decided without the model" in shown(found)
    assert "would have earned about" in shown(found)


def test_selected_labels_are_estimated_where_cases_were_audited(tmp_path: Path) -> None:
    seen = FLIGHTS["label"] | {"observed_when": ["none", "review"]}
    contract = flights_contract(audit_share=0.5, label=seen)
    for day in range(3):
        serve(tmp_path, contract, day)
    found = value(tmp_path, past(*(report(tmp_path, contract, day) for day in range(3)), contract=contract))
    assert "Value of all cases, hidden ones too: estimated" in shown(found)
    without, other = flights_contract(label=seen), tmp_path / "other"
    serve(other, without, 0)
    silent = value(other, past(report(other, without, 0), contract=without), 1)
    assert "Value of all cases is not estimated" in shown(silent)


def test_a_regression_reconciles_too(tmp_path: Path) -> None:
    contract = arrival_contract(use_case="flights")
    event = served("r", [NOON] * 3, scores=[1.5, 20.25, 99.0], decisions=["estimate", "constant", "estimate"])
    outcomes = [Outcome(prediction_id=f"r/{row}", value=10.1 * row, known_at=NOON + DAY) for row in range(3)]
    told = OutcomeRecorded.begin(source="airport", time=NOON + DAY, use_case="flights", outcomes=outcomes)
    event = event.model_copy(update={"contract_digest": contract.digest})
    store(tmp_path / "feedback", [event], [told])
    found = value(tmp_path, past(report(tmp_path, contract, 0), contract=contract), 1)
    assert found.check.same
    assert found.check.table_minor != 0


def test_the_forecast_is_the_packages_own(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    toy = bench.package(0)
    bench.serve(0, toy)
    known = past_of("trains", [applied(), release_of(toy), reported(bench, toy, 0)])
    day = NOW.date()
    found = make(known, "trains", day, day, LATER, bench.settings, tmp_path / "cache")
    assert found.check.same
    assert found.period.forecast is not None
    # The same model on the same kind of day: a promise of the right size.
    assert 0.5 < found.period.forecast.forecast_minor / found.period.value_minor < 2
    assert "Forecast (an estimate)" in shown(found)


def test_a_period_without_reports_says_which_there_are(tmp_path: Path) -> None:
    contract = flights_contract()
    serve(tmp_path, contract, 0)
    known = past(report(tmp_path, contract, 0), contract=contract)
    with pytest.raises(CommandError, match="blocks are reported from 2013-03-01 to 2013-03-01"):
        make(known, "flights", date(2014, 1, 1), date(2014, 1, 2), NOON, SpineSettings(home=tmp_path), tmp_path)
