"""Labels are held back, or wrong until they are corrected, by their id alone; in the end each was told as it is."""

from datetime import UTC, datetime
from typing import Any

from tests.chaos.disorder import Disorder

CLASSES = ("on_time", "late")
MIDNIGHT = datetime(2026, 3, 2, tzinfo=UTC)


def outcomes(day: int, count: int = 500) -> list[dict[str, Any]]:
    return [{"prediction_id": f"{day}/{row}", "label": CLASSES[row % 2], "known_at": "then"} for row in range(count)]


def told(late: float, corrected: float) -> tuple[Disorder, list[dict[str, Any]]]:
    """Everything that is told over ten days, in order."""
    disorder, said = Disorder(late, corrected, CLASSES), []
    for day in range(10):
        said += disorder.due(day, MIDNIGHT)
        said += disorder.of(day, outcomes(day))
    return disorder, said + disorder.due(10, MIDNIGHT, everything=True)


def test_without_shares_everything_is_told_at_once() -> None:
    disorder, said = told(0.0, 0.0)
    assert said == [each for day in range(10) for each in outcomes(day)]
    assert not disorder.counts


def test_in_the_end_the_last_word_on_each_label_is_the_true_one() -> None:
    disorder, said = told(0.1, 0.05)
    last = {each["prediction_id"]: each["label"] for each in said}
    assert last == {each["prediction_id"]: each["label"] for day in range(10) for each in outcomes(day)}
    wrong = [each for each in said if each["label"] != last[each["prediction_id"]]]
    assert len(wrong) == disorder.counts["label corrected"] == len(said) - 5000
    assert 400 < disorder.counts["label late"] < 600
    assert 150 < disorder.counts["label corrected"] < 300


def test_what_was_held_back_became_known_when_it_is_told_and_two_runs_hold_back_the_same() -> None:
    first, again = told(0.1, 0.05), told(0.1, 0.05)
    assert first[1] == again[1]
    held = [each for each in first[1] if each["known_at"] == MIDNIGHT.isoformat()]
    assert len(held) == sum(first[0].counts.values())
