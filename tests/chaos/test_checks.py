"""Evidence without a fault breaks no promise, and each fault is found under its own name."""

import json
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from shared.events import Event, KpiReported, TimeAdvanced
from shared.events.stored_examples import examples_of
from tests.chaos.checks import CHECKS, Evidence, violations
from tests.chaos.plan import LONG, QUICK
from tests.chaos.report import build, page, shortages

PLACE = ("outcome_recorded", 0, 4)


def step(day: int) -> tuple[str, Event]:
    """A record of the clock's topic."""
    now = datetime(2026, 3, day, tzinfo=UTC)
    return "clock", TimeAdvanced.begin(source="test", time=now, id=f"step-{day}", now=now)


def told(sequence: int, revision: int) -> tuple[str, Event]:
    """A report of one case in the block of one release."""
    stored = examples_of(KpiReported)[0]
    before = f"report {sequence}.{revision - 1}" if revision > 1 else None
    changed = {"block": "day", "release_sequence": sequence, "revision": revision, "volume": 1, "replaces": before}
    attributes = {name: value for name, value in stored.items() if name != "type"}
    document = {**attributes, **changed, "id": f"report {sequence}.{revision}"}
    return "toy", KpiReported.model_validate_json(json.dumps(document))


GOOD = Evidence(
    answered={"a/0": "call", "b/0": "none"},
    labels={"a/0": "late"},
    packages=["p"],
    rows=[("a/0", "day", "call", "late"), ("b/0", "day", "none", None)],
    accounting={"answered": 2, "joined": 1, "awaiting": 1},
    value={"blocks": 5, "table": 5},
    # The same event again, behind a later one: a repeat and no broken order.
    topics={
        TimeAdvanced.topic: [step(1), step(2), step(1)],
        KpiReported.topic: [told(1, 1), told(1, 2), told(2, 1), told(1, 1)],
    },
    kept_packages=frozenset({"p"}),
    blocks={("day", 1): (2, 1), ("day", 2): (1, 1)},
    money={"table": {"day": 5}, "blocks": {"day": 5}, "report": {"day": 5}},
    outboxes={"registry": 0},
    ledger_ids=["e1", "e2"],
    releases=[1, 2],
    served={"worker 0": 2},
    spoilt=frozenset({PLACE}),
    # A crash between letter and offset writes the letter again.
    dead=[PLACE, PLACE],
)
FAULTS: dict[str, dict[str, Any]] = {
    "failed_request": {"failed": ["/predict c: 500"]},
    "lost_prediction": {"answered": {**GOOD.answered, "c/0": "none"}},
    "unknown_prediction": {"answered": {"a/0": "call"}},
    "other_decision": {"answered": {"a/0": "none", "b/0": "none"}},
    "counted_twice": {"blocks": {("day", 1): (2, 2), ("day", 2): (1, 1)}},
    "lost_outcome": {"labels": {"a/0": "on_time"}},
    "lost_package": {"kept_packages": frozenset()},
    "torn_package_accepted": {"accepted_torn": ["p: 201"]},
    "report_and_database_differ": {"blocks": {("day", 1): (1, 1), ("day", 2): (1, 1)}},
    "effect_not_once": {"ledger_ids": ["e1", "e1"]},
    "not_one_live_release": {"served": {"worker 0": 2, "worker 1": 1}},
    "order_broken": {"topics": {TimeAdvanced.topic: [step(2), step(1)]}},
    "accounting_open": {"accounting": {"answered": 2, "joined": 1, "awaiting": 0}},
    "money_differs": {"money": {"table": {"day": 5}, "blocks": {"day": 5}, "report": {"day": 6}}},
    "correction_of_nothing": {"topics": {KpiReported.topic: [told(1, 1), told(1, 3)]}},
    "dead_letters_wrong": {"dead": [PLACE, ("model_trained", 0, 1)]},
    "ledger_digest_differs": {"disturbed_digest": "other"},
    "disturbed_too_little": {"shortages": ["pause: 0 of 2"]},
}


def test_evidence_without_a_fault_breaks_no_promise() -> None:
    assert violations(GOOD) == []


@pytest.mark.parametrize("name", CHECKS)
def test_each_fault_is_found_under_its_own_name(name: str) -> None:
    assert name in [violation.name for violation in violations(replace(GOOD, **FAULTS[name]))]


def test_a_run_that_was_disturbed_too_little_says_so() -> None:
    assert "pause: 1 of 10" in shortages(LONG, {"pause monitor": 1})


def test_the_page_names_violations_and_disturbances() -> None:
    broken = violations(replace(GOOD, failed=["/predict c: 500"]))
    report = build(QUICK, 7, Counter({"kill serving": 2}), broken, {"accounting": GOOD.accounting, "seconds": 3})
    assert report["violations_by_name"]["failed_request"] == report["violations"] == 1
    text = page(report)
    assert "/predict c: 500" in text
    assert "| kill serving | 2 |" in text
