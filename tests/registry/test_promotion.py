"""Whether a candidate has earned its place: which blocks count, against whom, and how often a null one is promoted."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from services.registry.probation import Probation
from services.registry.promotion import HYPOTHESIS, Pair, pair_up, should_promote, why_not_now
from services.registry.releases import Cause, Past
from shared.contract.schema import Retraining
from shared.events import PackageEvaluated
from tests.registry.toy import contract

DAY = timedelta(days=1)
START = datetime(2013, 3, 1, tzinfo=UTC)
RULES = Retraining(alpha=0.05)


def evaluated(day: int, cost: int, served: int = 100, package: str = "c", **changed: Any) -> PackageEvaluated:
    said: dict[str, Any] = {
        "use_case": "trains",
        "package_digest": package * 64,
        "behaviour_digest": "b" * 64,
        "contract_digest": "d" * 64,
        "role": "candidate",
        "block": (START + day * DAY).date().isoformat(),
        "volume": 10,
        "labelled": 10,
        "cost_minor": cost,
        "cost_without_model_minor": 500,
        "value_minor": 500 - cost,
        "served_cost_minor": served,
        "decisions": {"none": 10},
    }
    return PackageEvaluated.begin(source="trainer", time=START, id=f"{package}{day}", **(said | changed))


def pairs(*saved: int) -> list[Pair]:
    return [Pair(f"block {place}", each, False, str(place)) for place, each in enumerate(saved)]


def probation(since: int, until: int, last_good: str | None = "a") -> Probation:
    good = last_good and last_good * 64
    return Probation(2, "f" * 64, START + since * DAY, START + until * DAY, good)


@pytest.mark.parametrize(
    ("saved", "promote", "better", "worse"),
    [
        ([], False, 0, 0),
        ([1] * 6, False, 6, 0),
        ([1] * 7, True, 7, 0),
        ([10**9] * 6, False, 6, 0),
        ([1, 0] * 7, True, 7, 0),
        ([0] * 50, False, 0, 0),
        ([1] * 7 + [-1] * 7, False, 7, 7),
        ([-1] * 50, False, 0, 50),
        ([5, -1] * 30, False, 30, 30),
        ([1, 1, 1, -1] * 10, True, 30, 10),
    ],
)
def test_the_newest_e_value_decides(saved: list[int], promote: bool, better: int, worse: int) -> None:
    found = should_promote(pairs(*saved), RULES)
    assert (found.promote, found.better, found.worse, found.blocks) == (promote, better, worse, len(saved))
    assert found.threshold == 20
    assert found.saved_minor == sum(saved)


def test_without_evidence_the_e_value_is_one() -> None:
    assert should_promote([], RULES).e_value == 1.0


def test_a_smaller_alpha_wants_more() -> None:
    assert not should_promote(pairs(*[1] * 7), Retraining(alpha=0.01)).promote
    assert should_promote(pairs(*[1] * 9), Retraining(alpha=0.01)).promote


def test_the_explanation_names_hypothesis_blocks_e_value_and_threshold() -> None:
    text = should_promote(pairs(1, 1, 1, 1, 1, 1, 1, 0), RULES).explanation
    assert text.startswith(f"{HYPOTHESIS}: 7 better and 0 worse of 8 judged blocks")
    assert "e-value 31.87, needed 20 (alpha 0.05)" in text
    assert "earned" not in text


def test_the_explanation_says_when_only_some_decisions_showed_a_label() -> None:
    evidence = pair_up(contract(), START, [evaluated(1, 90, selected=True)], [], [])
    assert "on selected labels" in should_promote(evidence, RULES).explanation
    assert "selected" not in should_promote(pairs(10), RULES).explanation


def test_only_blocks_after_the_training_data_count_in_block_order() -> None:
    events = [evaluated(day, 90 - day) for day in (3, 1, 2, 0)]
    found = pair_up(contract(), START + DAY, events, [], [])
    assert [(pair.block, pair.saved_minor, pair.event_id) for pair in found] == [
        ("2013-03-02", 11, "c1"),
        ("2013-03-03", 12, "c2"),
        ("2013-03-04", 13, "c3"),
    ]


def test_a_block_that_began_before_the_training_data_ended_does_not_count() -> None:
    assert pair_up(contract(), START + DAY / 2, [evaluated(0, 1)], [], []) == []


def test_a_block_begins_in_the_zone_of_the_contract() -> None:
    new_york = contract(("task: binary", "task: binary\ntimezone: America/New_York"))
    midnight = START + timedelta(hours=5)
    assert len(pair_up(new_york, midnight, [evaluated(0, 1)], [], [])) == 1
    assert pair_up(contract(), midnight, [evaluated(0, 1)], [], []) == []


def test_in_a_probation_the_candidate_is_compared_with_the_last_good_package() -> None:
    own = [evaluated(day, 90) for day in range(4)]
    good = [evaluated(day, 95 + day, package="a", role="rollback_target") for day in range(4)]
    found = pair_up(contract(), START, own, good, [probation(1, 3)])
    assert [(pair.saved_minor, pair.against_last_good) for pair in found] == [
        (10, False),
        (6, True),
        (7, True),
        (10, False),
    ]


def test_a_block_that_a_forced_release_had_a_part_of_is_compared_with_the_last_good_package() -> None:
    good = [evaluated(0, 95, package="a", role="rollback_target")]
    [pair] = pair_up(contract(), START, [evaluated(0, 90)], good, [probation(0, 3)])
    assert pair.against_last_good
    later = Probation(2, "f" * 64, START + timedelta(hours=20), START + 9 * DAY, "a" * 64)
    [pair] = pair_up(contract(), START, [evaluated(0, 90)], good, [later])
    assert (pair.saved_minor, pair.against_last_good) == (5, True)


@pytest.mark.parametrize("good", [[], [evaluated(0, 95, package="e", role="rollback_target")]])
def test_where_the_last_good_package_was_not_evaluated_a_block_says_nothing(good: list[PackageEvaluated]) -> None:
    assert pair_up(contract(), START, [evaluated(0, 90)], good, [probation(0, 3)]) == []


def test_where_nothing_ever_earned_its_place_what_was_served_counts() -> None:
    [pair] = pair_up(contract(), START, [evaluated(0, 90)], [], [probation(0, 3, last_good=None)])
    assert (pair.saved_minor, pair.against_last_good) == (10, False)


def past(number: int, cause: Cause, day: int, *, forced: bool = False) -> Past:
    return Past(number, f"p{number}", "b", "c", cause, forced, START + day * DAY)


@pytest.mark.parametrize(
    ("history", "day", "word"),
    [
        ([past(1, "first", 0)], 5, None),
        ([past(1, "first", 0), past(2, "rollback", 5)], 5, "rollback"),
        ([past(1, "first", 0), past(2, "rollback", 5)], 6, None),
        ([past(1, "first", 0), past(2, "person", 3, forced=True)], 5, "probation"),
        ([past(1, "first", 0), past(2, "person", 3, forced=True)], 63, None),
        ([past(1, "first", 0), past(2, "person", 3, forced=True), past(3, "person", 4)], 5, None),
        ([past(1, "first", 0), past(2, "person", 3, forced=True), past(3, "rollback", 5)], 5, "rollback"),
    ],
)
def test_a_rollback_in_this_step_and_a_probation_forbid_every_promotion(
    history: list[Past], day: int, word: str | None
) -> None:
    found = why_not_now(history, START + day * DAY, 60 * DAY)
    assert found is None if word is None else found and word in found


def test_null_candidates_are_seldom_promoted_however_often_one_looks() -> None:
    """Two packages whose block values change places by a coin are equals: 40 runs of 60 daily looks, α = .05."""
    random = np.random.default_rng(7)
    promoted = 0
    for _run in range(40):
        difference = (np.abs(random.normal(size=60)) * 100 + 1) * random.choice([-1, 1], size=60)
        evidence = pairs(*difference.astype(int).tolist())
        promoted += any(should_promote(evidence[:seen], RULES).promote for seen in range(1, 61))
    assert promoted <= 4
