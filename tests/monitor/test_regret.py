"""Regret per block, the evidence in it, and when it is enough to ask for a rollback."""

import datetime as dt
from collections.abc import Sequence

import numpy as np
import pytest

from services.monitor.regret import NotJudged, PairedBlock, Regret, judge_regret, may_ask, pair
from shared.contract.schema import Contract
from tests.feedback.contracts import FLIGHTS, flights_contract
from tests.monitor.contracts import REGRET, watched_contract

pytestmark = pytest.mark.slow

CONTRACT = watched_contract()
TARGET = "d" * 64
NOW = dt.datetime(2013, 6, 1, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)


def pairs(regrets: Sequence[float], clip: float = 0.5) -> list[PairedBlock]:
    first = dt.date(2013, 5, 1)
    return [PairedBlock((first + number * DAY).isoformat(), float(value), clip) for number, value in enumerate(regrets)]


def judged(regrets: Sequence[float], contract: Contract = CONTRACT) -> Regret:
    verdict = judge_regret(pairs(regrets), contract, TARGET)
    assert isinstance(verdict, Regret)
    return verdict


def test_regret_is_the_difference_per_labelled_case_in_units_of_the_currency() -> None:
    # 100 cases: served for 312.40, the target for 299.10.
    found = pair("2013-05-01", 31240, 29910, 100, CONTRACT)
    assert found is not None
    assert (found.block, found.clip) == ("2013-05-01", 0.5)
    assert found.regret == pytest.approx(0.133)


@pytest.mark.parametrize(("served", "target", "regret"), [(90_000, 0, 0.5), (0, 90_000, -0.5), (7, 7, 0.0)])
def test_regret_is_clipped_on_both_sides(served: int, target: int, regret: float) -> None:
    assert pair("2013-05-01", served, target, 100, CONTRACT) == PairedBlock("2013-05-01", regret, 0.5)


def test_money_without_decimals_is_not_divided() -> None:
    yen = watched_contract(
        currency="JPY", decisions={"none": {"on_time": 0, "late": 5}, "act": {"on_time": 1, "late": 0}}
    )
    found = pair("2013-05-01", 130, 100, 100, yen)
    assert found is not None
    assert found.regret == pytest.approx(0.3)


def test_a_block_without_labels_has_no_regret() -> None:
    assert pair("2013-05-01", 0, 0, 0, CONTRACT) is None


def test_golden_numbers() -> None:
    # The mean over 64 bets b = sin²(π(k + ½)/128) of Π(1 + b·regret/0.5), by hand.
    verdict = judged([0.5, 0.1, 0.4, -0.1, 0.5, 0.5, 0.3, 0.5, 0.5, 0.4, 0.5, 0.4])
    assert (verdict.blocks, verdict.tipped_by, verdict.threshold) == (12, "2013-05-12", 100)
    assert verdict.mean == pytest.approx(0.375)
    assert verdict.e_value == pytest.approx(153.63779)
    assert 0 < verdict.lower_bound < 0.05


def test_the_bound_leaves_the_ceiling_when_the_evidence_suffices() -> None:
    before, after = judged([0.5] * 8), judged([0.5] * 9)
    assert (before.tipped_by, before.lower_bound < 0) == (None, True)
    assert (after.tipped_by, after.lower_bound > 0) == ("2013-05-09", True)


def test_the_reason_names_the_kpi_its_interval_and_the_blocks() -> None:
    verdict = judged([0.45] * 12)
    for words in ("regret is 0.4500 USD per case", TARGET[:8], "12 blocks, 2013-05-01 to 2013-05-12", "at 99 %"):
        assert words in verdict.reason()
    assert f"{verdict.lower_bound:.4f} to 0.5000" in verdict.reason()
    assert verdict.evidence() == {
        "blocks": 12.0,
        "mean_regret": pytest.approx(0.45),
        "lower_bound": verdict.lower_bound,
        "upper_bound": 0.5,
        "e_value": verdict.e_value,
        "threshold": 100.0,
        "first_block": 20130501.0,
        "last_block": 20130512.0,
    }


def test_the_reason_says_when_only_some_decisions_showed_a_label() -> None:
    label = {**FLIGHTS["label"], "observed_when": ["act", "review"]}
    assert "on selected labels" in judged([0.45] * 12, watched_contract(label=label)).reason()
    assert "selected" not in judged([0.45] * 12).reason()


def test_what_cannot_be_judged_is_an_answer_of_its_own() -> None:
    outside = watched_contract(kpis={"regret": {**REGRET, "ceiling": 0.5}})
    without = flights_contract()
    answers = [
        judge_regret(pairs([0.5] * 30), CONTRACT, None),
        judge_regret(pairs([0.5] * 30), without, TARGET),
        judge_regret([], CONTRACT, TARGET),
        judge_regret(pairs([0.5] * 30), outside, TARGET),
    ]
    reasons = [answer.reason for answer in answers if isinstance(answer, NotJudged)]
    assert [words.split(":")[0] for words in reasons] == [
        "the release has no rollback target",
        "the contract has no KPI against last_good",
        "no whole block of this release is judged and compared with its rollback target yet",
        "the ceiling of regret lies outside its clip",
    ]


def test_a_ceiling_above_zero_allows_that_much_regret() -> None:
    patient = watched_contract(kpis={"regret": {**REGRET, "ceiling": 0.3}})
    assert judged([0.25] * 200).too_high
    assert not judged([0.25] * 200, patient).too_high


def test_a_release_that_has_become_better_on_average_is_not_asked_back() -> None:
    verdict = judged([0.5] * 9 + [-0.5] * 30)
    assert (verdict.tipped_by, verdict.too_high) == ("2013-05-09", False)


def test_it_asks_once_per_cooldown_and_only_where_the_contract_says_so() -> None:
    bad, silent = judged([0.5] * 9), watched_contract(rollback={"on": []})
    assert may_ask(bad, CONTRACT, None, NOW)
    assert not may_ask(bad, CONTRACT, NOW - 7 * DAY + DAY / 24, NOW)
    assert may_ask(bad, CONTRACT, NOW - 7 * DAY, NOW)
    assert not may_ask(bad, silent, None, NOW)
    assert not may_ask(judged([0.5] * 8), CONTRACT, None, NOW)


def test_a_model_that_never_acts_is_caught_within_twenty_blocks() -> None:
    # Simulated: 0.77 per case more than a good one (about 750 a day on 900 flights); the spread of 0.4 is assumed.
    days = np.clip(np.random.default_rng(4).normal(0.77, 0.4, (20, 20)), -0.5, 0.5)
    assert [start for start, regrets in enumerate(days) if not judged(regrets.tolist()).too_high] == []


def test_good_releases_are_left_alone() -> None:
    # 200 releases that are exactly as good as their target, with heavy days, over 60 blocks; α allows 2.
    days = np.clip(0.1 * np.random.default_rng(5).standard_t(3, (200, 60)), -0.5, 0.5)
    assert sum(judged(regrets.tolist()).tipped_by is not None for regrets in days) <= 5
