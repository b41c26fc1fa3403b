"""From any event to its root, and on to what it led to."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from headrace.causation import Causation, Told
from headrace.explain import as_documents
from shared.events import (
    Event,
    KpiReported,
    ModelReleased,
    PackageEvaluated,
    RollbackRequested,
    TrainingFinished,
    TrainingRequested,
)
from tests.events.records import example

START = datetime(2013, 5, 1, 4, tzinfo=UTC)
ATTRIBUTES = {"id", "source", "time", "correlation_id", "causation_id", "type"}


def of(topic: str, **changes: Any) -> dict[str, Any]:
    """The fields of a stored example, some changed."""
    stored = example(topic)
    return {**{name: getattr(stored, name) for name in type(stored).model_fields if name not in ATTRIBUTES}, **changes}


def story() -> dict[str, Event]:
    """A forced release that loses money until late labels take it back; and a training that stands apart."""

    def at(day: int) -> dict[str, Any]:
        return {"source": "test", "time": START + timedelta(days=day)}

    forced = ModelReleased.begin(
        id="forced", **at(0), **of("model_released", sequence=4, cause="person", forced=True, released_by="ada")
    )
    report = KpiReported.begin(id="report", **at(3), **of("kpi_reported", release_sequence=4))
    other = KpiReported.begin(id="other", **at(4), **of("kpi_reported", release_sequence=4))
    evaluated = PackageEvaluated.follow(report, "target", **at(3), **of("package_evaluated", role="rollback_target"))
    asked = RollbackRequested.follow(
        evaluated, "regret", **at(4), **of("rollback_requested", release_sequence=4, requested_by="monitor")
    )
    back = ModelReleased.follow(asked, "rollback", **at(5), **of("model_released", sequence=5, cause="rollback"))
    training = TrainingRequested.begin(id="training", **at(1), **of("training_requested"))
    finished = TrainingFinished.follow(training, "end", **at(2), **of("training_finished"))
    return {
        "forced": forced, "report": report, "other": other, "evaluated": evaluated, "asked": asked, "back": back,
        "training": training, "finished": finished,
    }  # fmt: skip


def told(asked: str) -> list[tuple[str, int, str]]:
    named = story()
    names = {event.id: name for name, event in named.items()}
    return [(names[t.event.id], t.depth, t.relation) for t in Causation(named.values()).explain(named[asked].id)]


def test_a_rollback_is_led_back_to_the_forced_release_and_the_person() -> None:
    assert told("back") == [
        ("forced", 0, "root"),
        ("report", 1, "about"),
        ("evaluated", 2, "led to"),
        ("asked", 3, "led to"),
        ("back", 4, "led to"),
    ]


def test_a_forced_release_shows_that_it_was_taken_back() -> None:
    assert told("forced") == [("forced", 0, "root"), ("asked", 1, "about"), ("back", 2, "led to")]


def test_an_event_in_the_middle_shows_both_directions() -> None:
    assert [name for name, _, _ in told("evaluated")] == ["forced", "report", "evaluated", "asked", "back"]


def test_stories_that_have_nothing_in_common_do_not_mix() -> None:
    assert told("finished") == [("training", 0, "root"), ("finished", 1, "led to")]


def test_the_asked_event_is_marked_and_documents_are_whole() -> None:
    named = story()
    lines = Causation(named.values()).explain(named["asked"].id)
    assert [line.event.id for line in lines if line.asked] == [named["asked"].id]
    document = as_documents(named["asked"].id, lines)
    assert document["explained"] == named["asked"].id
    assert [line["depth"] for line in document["lines"]] == [0, 1, 2, 3, 4]
    assert document["lines"][0]["event"]["released_by"] == "ada"


def test_a_cause_that_is_gone_is_named() -> None:
    named = story()
    del named["report"]
    known = Causation(named.values())
    assert known.missing_causes(named["back"].id) == {"report"}
    assert known.explain(named["back"].id)[0].event.id == "forced"


def test_an_unknown_id_and_a_circle_of_strangers_do_no_harm() -> None:
    with pytest.raises(KeyError):
        Causation([]).explain("nothing")
    one = TrainingRequested.begin(id="a", source="x", time=START, **of("training_requested"))
    two = TrainingRequested.begin(id="b", source="x", time=START, **of("training_requested"))
    circle = [one.model_copy(update={"causation_id": "b"}), two.model_copy(update={"causation_id": "a"})]
    lines: list[Told] = Causation(circle).explain("a")
    assert [line.event.id for line in lines] == ["b", "a"]


def test_a_record_that_came_twice_is_one_event() -> None:
    named = story()
    assert len(Causation([*named.values(), *named.values()]).explain(named["back"].id)) == 5
