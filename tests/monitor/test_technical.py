"""What speaks against a release before any label is there, and what does not."""

import datetime as dt
from typing import Any

import pytest

from services.monitor.technical import (
    BlockRequests,
    Excused,
    Trouble,
    error_limit,
    judge_activations,
    judge_errors,
    may_ask,
    worst_of,
)
from shared.events import ActivationReported
from tests.feedback.contracts import flights_contract
from tests.feedback.streams import NOON, PACKAGE

DAY = dt.timedelta(days=1)
LIMIT = 0.05


def word(status: str = "active", worker: str = "w1", hours: float = 0, **changed: Any) -> ActivationReported:
    said = {"use_case": "flights", "sequence": 3, "package_digest": PACKAGE, "replica": 0, "worker": worker}
    time = NOON + dt.timedelta(hours=hours)
    return ActivationReported.begin(source="serving", time=time, **{**said, "status": status, **changed})


def block(failed: int, answered: int, day: int = 1) -> BlockRequests:
    return BlockRequests(f"2013-03-{day:02}", failed, answered)


def test_workers_that_all_serve_it_are_no_trouble() -> None:
    assert judge_activations([]) is None
    assert judge_activations([word(), word(worker="w2")]) is None


def test_a_refusal_names_the_check_that_failed_and_counts_the_workers() -> None:
    later = word("refused", "w1", 2, check="store", detail="away")
    first = word("refused", "w3", 1, check="golden", detail="record 17: score 0.41, expected 0.14")
    found = judge_activations([word(worker="w2"), later, first])
    assert found is not None
    assert found.evidence == {"refused": 2, "active": 1}
    assert found.reason == (
        "2 of 3 workers refused release 3 at golden, store: record 17: score 0.41, expected 0.14"
    )  # fmt: skip
    assert found.cause == first


def test_a_worker_that_serves_it_after_all_has_not_refused() -> None:
    assert judge_activations([word("refused", check="missing"), word(hours=1)]) is None
    # The order of arrival decides nothing, and the same name on another host is another worker.
    assert judge_activations([word(hours=1), word("refused", check="missing")]) is None
    assert judge_activations([word(hours=1), word("refused", check="missing", replica=1)]) is not None


def test_a_very_long_refusal_still_fits_an_event() -> None:
    found = judge_activations([word("refused", check="golden", detail="x" * 4096)])
    assert found is not None
    assert len(found.reason) < 2000


@pytest.mark.parametrize(
    ("blocks", "found"),
    [
        ([], None),
        ([block(0, 0)], None),
        ([block(19, 0)], None),
        ([block(20, 0)], 1),
        ([block(1, 19)], None),
        ([block(2, 18)], 1),
        ([block(50, 50, 1), block(0, 20, 2)], None),
        ([block(50, 50, 1), block(0, 19, 2)], 1),
        ([block(0, 50, 1), block(2, 18, 2)], 2),
    ],
)
def test_the_newest_block_with_enough_requests_decides(blocks: list[BlockRequests], found: int | None) -> None:
    worst = worst_of(blocks, LIMIT)
    assert (worst.block if worst else None) == (f"2013-03-0{found}" if found else None)


def test_too_many_failures_are_told_with_share_and_limit() -> None:
    found = judge_errors(3, [block(30, 70)], [[], [block(4, 96)]], LIMIT)
    assert isinstance(found, Trouble)
    assert found.evidence == {"failed": 30, "requests": 100, "share": 0.3, "limit": 0.05}
    assert found.reason == "30 of 100 requests of release 3 failed in block 2013-03-01: 30.0%, above the limit 5.0%"


def test_a_fault_that_an_earlier_release_had_too_is_not_the_release_s() -> None:
    found = judge_errors(3, [block(30, 70)], [[block(0, 100)], [block(15, 85)]], LIMIT)
    assert isinstance(found, Excused)
    assert "15.0% failed in block 2013-03-01 of an earlier release, too" in found.reason
    # Six in a hundred do not excuse thirty: going back would help.
    assert isinstance(judge_errors(3, [block(30, 70)], [[block(6, 94)]], LIMIT), Trouble)


def test_few_failures_are_no_trouble_whatever_others_had() -> None:
    assert judge_errors(3, [block(5, 95)], [[block(30, 70)]], LIMIT) is None


def test_it_is_asked_once_and_again_after_the_cooldown() -> None:
    contract = flights_contract(rollback={"cooldown": "7d"})
    assert may_ask(contract, None, NOON)
    assert not may_ask(contract, NOON, NOON)
    assert not may_ask(contract, NOON, NOON + 6.9 * DAY)
    assert may_ask(contract, NOON, NOON + 7 * DAY)


def test_the_limit_is_the_contract_s_or_the_usual_one() -> None:
    assert error_limit(flights_contract()) == 0.05
    assert error_limit(flights_contract(rollback={"max_error_rate": 0.2})) == 0.2
