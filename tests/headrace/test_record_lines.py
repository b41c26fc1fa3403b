"""What an operator sees of a record, however malformed or hostile it is."""

import json
from dataclasses import dataclass, field

import pytest

from headrace.record_lines import as_json, as_line, is_about
from shared.events import CATALOGUE
from shared.events.dead import DeadLetterSettled
from shared.spine.dead_letters import dead_letter
from tests.events.records import example, record


@dataclass
class Consumed:
    """A record as Kafka hands it over."""

    topic: str
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...] = ()
    key: bytes | None = b"flights_late"
    partition: int = 0
    offset: int = 7
    timestamp: int = field(default=1_362_096_000_000)


def consumed(topic: str) -> Consumed:
    """The record of a stored example."""
    said = record(topic)
    return Consumed(topic, said.value, said.headers, said.key)


def buried(original: Consumed, reason: str) -> Consumed:
    """Its dead letter."""
    letter = dead_letter(original, reason, "ValueError", "registry")
    return Consumed(letter.topic, letter.value, letter.headers, letter.key)


HOSTILE = [
    Consumed("model_trained", b"\x1b[2J\x1b[31m\r\n[red]garbage", (("x", b"\xff"), ("n", None))),
    Consumed("model_trained", None, (), None),
    Consumed("model_trained", b"{}", (("ce_type", None),), b"\xff\xfe"),
    Consumed("time_advanced.dead", b"", (("dead_reason", None),)),
]


@pytest.mark.parametrize("topic", CATALOGUE)
def test_a_line_has_topic_use_case_and_both_times(topic: str) -> None:
    line = as_line(consumed(topic)).plain
    assert topic in line
    assert "2013-" in line
    assert ("flights_late" in line) == (topic != "time_advanced")


@pytest.mark.parametrize("topic", CATALOGUE)
def test_json_is_the_whole_event_and_where_it_lies(topic: str) -> None:
    line = json.loads(as_json(consumed(topic)))
    assert (line["type"], line["topic"], line["partition"], line["offset"]) == (topic, topic, 0, 7)
    assert {"id", "time", "source", "correlation_id"} <= line.keys()


@pytest.mark.parametrize("hostile", HOSTILE)
def test_a_malformed_record_is_shown_and_cannot_touch_the_terminal(hostile: Consumed) -> None:
    line = as_line(hostile).plain
    assert "malformed" in line
    assert line.isprintable()
    assert "malformed" in json.loads(as_json(hostile))


def test_a_dead_letter_says_who_gave_up_and_why() -> None:
    dead = buried(consumed("model_trained"), "bug: \x1b[31mno\nway")
    line = as_line(dead).plain
    assert "model_trained.dead" in line
    assert "registry gave up, bug: �[31mno way | package" in line
    assert json.loads(as_json(dead))["dead"]["dead_reason"] == "bug: \x1b[31mno\nway"


def test_a_use_case_is_found_by_the_body_and_by_the_key_where_there_is_none() -> None:
    assert is_about(consumed("kpi_reported"), "flights_late")
    assert not is_about(consumed("kpi_reported"), "other")
    assert is_about(HOSTILE[0], "flights_late")
    assert is_about(HOSTILE[1], None)
    assert not is_about(HOSTILE[1], "flights_late")


def test_what_became_of_a_dead_letter_is_told_and_is_no_dead_letter() -> None:
    said = example("dead_letter_settled")
    assert isinstance(said, DeadLetterSettled)
    marker = said.record("model_trained.dead")
    found = Consumed(marker.topic, marker.value, marker.headers, marker.key)
    line = as_line(found).plain
    assert "ada replayed model_trained.dead/0/17 with a repaired body: the sender forgot the digest" in line
    assert not {"gave up", "malformed"} & set(line.split("  "))
    shown = json.loads(as_json(found))
    assert (shown["type"], shown["topic"], shown["act"]) == ("dead_letter_settled", "model_trained.dead", "replayed")
    assert "dead" not in shown


def test_a_dead_letter_that_looks_like_a_marker_is_shown_as_a_letter() -> None:
    said = example("dead_letter_settled")
    assert isinstance(said, DeadLetterSettled)
    marker = said.record("model_trained")
    dead = buried(Consumed(marker.topic, marker.value, marker.headers, marker.key), "permanent: ce_type")
    assert "registry gave up, permanent: ce_type" in as_line(dead).plain
