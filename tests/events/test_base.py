"""Ids, causes and keys of events, and that any event survives a record."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from shared.events import (
    ModelReleased,
    Outcome,
    OutcomeRecorded,
    TimeAdvanced,
    TrainingFinished,
    TrainingRequested,
    from_record,
    to_record,
)
from tests.events.records import example

NOW = datetime(2013, 3, 1, 5, tzinfo=UTC)
texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=256)
moments = st.datetimes(
    datetime(1900, 1, 1),  # noqa: DTZ001  hypothesis adds the zone itself
    datetime(2200, 1, 1),  # noqa: DTZ001
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=-5)), timezone(timedelta(hours=13))]),
)
outcomes = st.builds(
    lambda request, position, label, value, known_at: Outcome(
        prediction_id=f"{request}/{position}",
        label=label if value is None else None,
        value=value,
        known_at=known_at,
    ),
    st.from_regex(r"\A[A-Za-z0-9._:\-]{1,128}\Z"),
    st.integers(0, 999_999_999),
    texts,
    st.none() | st.floats(allow_nan=False, allow_infinity=False),
    moments,
)


def asked(**changed: Any) -> TrainingRequested:
    """Somebody asks for training."""
    fields = {"use_case": "flights", "reason": "drift", "requested_by": "ada", **changed}
    return TrainingRequested.begin(source="test", time=NOW, **fields)


@settings(max_examples=60)
@given(id=texts, source=texts, time=moments, rows=st.lists(outcomes, min_size=1, max_size=5))
def test_any_event_goes_through_a_record_and_back(id: str, source: str, time: datetime, rows: list[Outcome]) -> None:
    event = OutcomeRecorded.begin(id=id, source=source, time=time, use_case="flights", outcomes=rows)
    record = to_record(event)
    assert from_record(OutcomeRecorded, record.value, record.headers) == event


def test_an_event_that_begins_a_story_names_itself() -> None:
    event = asked()
    assert (event.correlation_id, event.causation_id) == (event.id, None)


def test_an_event_that_follows_keeps_the_story_and_names_its_cause() -> None:
    cause = asked()
    fields: dict[str, Any] = {"use_case": "flights", "run_id": "r", "outcome": "declined", "reason": "budget"}
    first = TrainingFinished.follow(cause, "r", source="test", time=NOW, **fields)
    again = TrainingFinished.follow(cause, "r", source="test", time=NOW, **fields)
    other = TrainingFinished.follow(cause, "s", source="test", time=NOW, **fields)
    assert (first.correlation_id, first.causation_id) == (cause.id, cause.id)
    assert first.id == again.id != other.id


def test_an_event_with_a_field_called_cause_can_follow() -> None:
    released = example("model_released")
    assert isinstance(released, ModelReleased)
    fields = released.model_dump(exclude={"id", "source", "time", "correlation_id", "causation_id"})
    assert ModelReleased.follow(asked(), "x", source="test", time=NOW, **fields).cause == released.cause


def test_a_field_that_an_event_does_not_have_is_a_mistake_of_the_writer() -> None:
    with pytest.raises(TypeError, match="no field"):
        asked(colour="red")


def test_events_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        asked().reason = "another"  # type: ignore[misc]


def test_a_naive_time_is_refused_where_an_event_is_built() -> None:
    with pytest.raises(ValidationError, match="timezone"):
        TimeAdvanced.begin(source="test", time=NOW, now=NOW.replace(tzinfo=None))


def test_times_are_kept_in_utc() -> None:
    local = datetime(2013, 3, 1, 0, tzinfo=timezone(timedelta(hours=-5)))
    event = TimeAdvanced.begin(source="test", time=local, now=local)
    assert event.now.tzinfo is UTC
    assert event.now == NOW


def test_the_key_keeps_together_what_must_stay_in_order() -> None:
    assert asked().key == "flights"
    assert TimeAdvanced.begin(source="test", time=NOW, now=NOW).key == "time_advanced"
    assert example("prediction_served").key == "flights_late/req-2013-03-04T09"
    assert example("outcome_recorded").key == "flights_late/req-2013-03-04T09/0"
