"""What the loop did, folded from its events: gains, the forced release, and what is left out of the comparison."""

from datetime import UTC, datetime, timedelta
from typing import Any

from headrace.loop_report import History, build_loop_report, once
from shared.events import Event
from tests.events.records import example

START = datetime(2013, 4, 1, 4, tzinfo=UTC)
FIRST, BETTER, FORCED, CLOSED = (letter * 64 for letter in "abcd")


def of(topic: str, name: str, day: int, **changes: Any) -> Event:
    """A stored example, some fields changed."""
    return example(topic).model_copy(update={"id": name, "time": START + timedelta(days=day), **changes})


def release(sequence: int, package: str, day: int, cause: str, **changes: Any) -> Event:
    changes = {"forced": False, "rollback_target": None, **changes}
    return of("model_released", f"r{sequence}", day, sequence=sequence, package_digest=package, cause=cause, **changes)


def judged(day: int, sequence: int, cost: int) -> Event:
    block = f"2013-04-{day:02}"
    return of("kpi_reported", f"k{day}", day, block=block, release_sequence=sequence, cost_minor=cost, revision=1)


def evaluated(day: int, package: str, role: str, cost: int, served: int) -> Event:
    fields = {"block": f"2013-04-{day:02}", "package_digest": package, "role": role}
    name = f"e{day}{package[0]}{role}"
    return of("package_evaluated", name, day, cost_minor=cost, served_cost_minor=served, **fields)


def trained(day: int, package: str) -> Event:
    return of("training_finished", f"t{package[0]}", day, outcome="trained", package_digest=package, causation_id=None)


STORY = [
    trained(0, FIRST),
    release(1, FIRST, 0, "first"),
    judged(1, 1, 1000),
    trained(1, BETTER),
    release(2, BETTER, 2, "promotion"),
    judged(2, 2, 800),
    evaluated(2, FIRST, "pinned", cost=1000, served=800),
    evaluated(2, FIRST, "rollback_target", cost=1000, served=800),
    release(3, FORCED, 3, "person", forced=True),
    judged(3, 3, 5000),
    evaluated(3, FIRST, "pinned", cost=1000, served=5000),
    evaluated(3, BETTER, "rollback_target", cost=700, served=5000),
    trained(3, CLOSED),
    evaluated(2, CLOSED, "candidate", cost=750, served=800),
    of("model_rejected", "x", 4, package_digest=CLOSED, gate="superseded"),
]


def test_days_of_a_forced_release_are_a_line_of_their_own() -> None:
    report = build_loop_report(History(STORY))
    assert report["managed_over_frozen"] == (1000 + 800) / (1000 + 1000)
    assert report["forced"] == {"days": 1, "loss": 4300}
    assert (report["promoted"], report["not_promoted"], report["retrainings"]) == (1, 1, 2)


def test_each_training_says_what_it_became_and_what_that_was_worth() -> None:
    told = build_loop_report(History(STORY))["trainings"]
    assert [(one["package"][0], one["became"], one["days"], one["gain_minor"]) for one in told] == [
        ("a", "release 1", 1, 0),
        ("b", "release 2", 1, 200),
        ("d", "superseded", 1, 50),
    ]


def test_an_event_that_was_told_twice_counts_once() -> None:
    assert build_loop_report(once([*STORY, *STORY])) == build_loop_report(History(STORY))
