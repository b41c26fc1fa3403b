"""What a use case can go back to, and which requests are refused."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.registry.releases import (
    Cause,
    Past,
    Refusal,
    RollbackAsk,
    good_packages,
    judge_rollback,
    next_release,
    rollback_target,
)
from shared.contract import Duration
from shared.contract.schema import Rollback

DAY = timedelta(days=1)
START = datetime(2013, 3, 1, tzinfo=UTC)
RULES = Rollback(cooldown=Duration(7, "d"), probation=Duration(10, "d"))
PROBATION = RULES.probation.delta


def story(*releases: tuple[str, Cause] | tuple[str, Cause, bool]) -> list[Past]:
    return [
        Past(number, release[0], f"behaviour {release[0]}", "c", release[1], len(release) > 2, START + number * DAY)
        for number, release in enumerate(releases, start=1)
    ]


def ask(day: int = 30, **changed: Any) -> RollbackAsk:
    given: dict[str, Any] = {"now": START + day * DAY, "by_person": True}
    return RollbackAsk(**(given | changed))


def judged(history: list[Past], asked: RollbackAsk, usable: set[str] | None = None) -> str:
    found = judge_rollback(asked, history, {"a", "b", "c"} if usable is None else usable, RULES)
    return f"refused: {found.rule}" if isinstance(found, Refusal) else found.package


def test_the_first_release_has_nothing_behind_it() -> None:
    assert rollback_target(story(("a", "first")), PROBATION) is None
    assert judged(story(("a", "first")), ask()) == "refused: no_target"


def test_the_target_is_the_last_different_package() -> None:
    assert judged(story(("a", "first"), ("b", "person"), ("b", "objective"), ("c", "promotion")), ask()) == "b"


def test_an_objective_release_keeps_the_same_package_behind_it() -> None:
    assert judged(story(("a", "first"), ("b", "person"), ("b", "objective")), ask()) == "a"


def test_two_rollbacks_in_a_row_never_bring_the_bad_package_back() -> None:
    history = story(("a", "first"), ("b", "person"), ("c", "person"), ("b", "rollback"))
    assert judged(history, ask()) == "a"
    assert judged([*history, *story(("a", "rollback"))], ask()) == "refused: no_target"


def test_a_package_that_comes_back_stands_once() -> None:
    history = story(("a", "first"), ("b", "person"), ("a", "person"))
    assert [past.package for past in good_packages(history, PROBATION)] == ["b", "a"]


def test_a_forced_release_is_never_what_others_go_back_to() -> None:
    forced = story(("a", "first"), ("b", "person", True))
    assert judged(forced, ask()) == "a"
    assert judged([*forced, *story(("c", "person"))], ask()) == "a"
    assert judged([*forced, *story(("c", "person", True))], ask()) == "a"


@pytest.mark.parametrize(("days", "target"), [(9, "a"), (10, "b")])
def test_a_forced_release_has_earned_its_place_once_its_probation_is_over(days: int, target: str) -> None:
    forced = story(("a", "first"), ("b", "person", True), ("b", "objective"))
    later = Past(4, "c", "behaviour c", "c", "promotion", False, forced[1].released_at + days * DAY)
    assert judged([*forced, later], ask()) == target


@pytest.mark.parametrize(("days", "found"), [(9, "refused: never_earned"), (10, "f")])
def test_a_package_that_was_only_ever_forced_cannot_be_brought_back_by_a_rollback(days: int, found: str) -> None:
    history = story(("a", "first"), ("f", "person", True), ("f", "objective"))
    back = Past(4, "a", "behaviour a", "c", "rollback", False, history[1].released_at + days * DAY)
    for by_person in (True, False):
        asked = ask(to="f", by_person=by_person)
        assert judged([*history, back], asked, {"a", "f"}) == found


def test_while_a_forced_release_is_served_the_last_good_package_stands_behind_it() -> None:
    forced = story(("a", "first"), ("b", "promotion"), ("c", "person", True))
    again = next_release(forced, Past(4, "c", "behaviour c", "c2", "objective", False, START + 5 * DAY), PROBATION)
    assert (again["rollback_target"], again["forced"]) == ("b", False)


def test_a_rollback_to_a_named_package_forgets_all_above_it() -> None:
    history = story(("a", "first"), ("b", "person"), ("c", "person"), ("a", "rollback"))
    assert [past.package for past in good_packages(history, PROBATION)] == ["a"]


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"to": "a"}, "a"),
        ({"to": "b"}, "refused: same_package"),
        ({"to": "z"}, "refused: no_target"),
        ({"sequence": 1}, "refused: stale_sequence"),
        ({"sequence": 2}, "a"),
        ({"by_person": False}, "a"),
    ],
)
def test_a_request_is_checked(changed: dict[str, Any], expected: str) -> None:
    assert judged(story(("a", "first"), ("b", "person")), ask(**changed)) == expected


def test_nothing_released_is_nothing_to_roll_back() -> None:
    assert judged([], ask()) == "refused: nothing_released"


def test_a_target_that_cannot_be_served_is_refused() -> None:
    assert judged(story(("a", "first"), ("b", "person")), ask(), usable=set()) == "refused: target_not_usable"


def test_the_cooldown_binds_services_and_no_person() -> None:
    history = story(("a", "first"), ("b", "person"), ("a", "rollback"), ("c", "person"))
    within, after = 3 + 6, 3 + 7
    assert judged(history, ask(within, by_person=False)) == "refused: cooldown"
    assert judged(history, ask(after, by_person=False)) == "a"
    assert judged(history, ask(within, by_person=True)) == "a"


def test_the_next_release_takes_a_higher_sequence_and_names_what_to_keep_warm() -> None:
    history = story(("a", "first"), ("b", "person"))
    back = next_release(history, Past(3, "a", "behaviour a", "c2", "rollback", False, START), PROBATION)
    assert (back["sequence"], back["package_digest"], back["rollback_target"]) == (3, "a", None)
    same = next_release(history, Past(3, "b", "behaviour b", "c2", "objective", False, START), PROBATION)
    assert (same["sequence"], same["contract_digest"], same["rollback_target"]) == (3, "c2", "a")
    new = next_release(history, Past(3, "c", "behaviour c", "c", "person", False, START), PROBATION)
    assert new["rollback_target"] == "b"
