"""Letters and what became of them, folded from the records of dead-letter topics."""

from datetime import timedelta
from typing import Any

import pytest

from headrace.dead_letters import Filter, dead_topics, fold, named, summarise, topic_of, without_effect
from headrace.errors import CommandError
from shared.events import Record
from tests.events.records import record
from tests.headrace.letters import NOON, appended, refused, settled


def test_a_letter_is_open_until_somebody_says_otherwise() -> None:
    letters = fold(appended(refused(), refused(), refused(), settled("model_trained.dead/0/1")))
    assert [(letter.name, letter.state) for letter in letters] == [
        ("model_trained.dead/0/0", "open"),
        ("model_trained.dead/0/1", "replayed"),
        ("model_trained.dead/0/2", "open"),
    ]


def test_the_last_word_counts_and_markers_are_no_letters() -> None:
    name = "model_trained.dead/0/0"
    (letter,) = fold(appended(refused(), settled(name, "discarded"), settled(name, reason="after all")))
    assert letter.settled is not None
    assert (letter.state, letter.settled.reason) == ("replayed", "after all")


def test_a_marker_of_another_topic_or_of_no_letter_changes_nothing() -> None:
    foreign = settled("model_trained.dead/0/0")
    elsewhere = Record("kpi_reported.dead", foreign.key, foreign.value, foreign.headers)
    (letter,) = fold(appended(refused(), elsewhere, settled("model_trained.dead/0/99")))
    assert letter.state == "open"


def test_a_record_that_no_consumer_wrote_is_shown_and_has_no_original() -> None:
    stranger = Record("model_trained.dead", b"k", b"?", ())
    forged = refused(topic="kpi_reported")
    misplaced = Record("model_trained.dead", forged.key, forged.value, forged.headers)
    for letter in fold(appended(stranger, misplaced)):
        assert (letter.kind, letter.service, letter.original) == ("unknown", "?", None)


def test_a_letter_says_what_was_refused_by_whom_and_why() -> None:
    (letter,) = fold(appended(refused(reason="permanent: gone", offset=7)))
    assert (letter.topic, letter.service, letter.kind, letter.reason) == (
        *("model_trained", "registry", "permanent", "gone"),
    )
    assert (letter.use_case, letter.refused_at) == ("flights_late", NOON)
    assert letter.event_id == dict(record("model_trained").headers)["ce_id"].decode()


@pytest.mark.parametrize(
    ("conditions", "found"),
    [
        ({}, [0, 1, 2, 3]),
        ({"kind": "bug"}, [1]),
        ({"service": "monitor"}, [2]),
        ({"service": "monitor.model_trained"}, [2]),
        ({"service": "monitor.kpi_reported"}, []),
        ({"contains": "DIGEST"}, [0, 2]),
        ({"since": NOON + timedelta(minutes=1)}, [1, 2, 3]),
        ({"until": NOON + timedelta(minutes=1)}, [0]),
        ({"use_case": "flights_late"}, [0, 1, 2]),
        ({"use_case": "other"}, [3]),
        ({"contains": "digest", "service": "registry"}, [0]),
    ],
)
def test_filters_are_conditions_that_all_hold(conditions: dict[str, Any], found: list[int]) -> None:
    other = Record("model_trained", b"other", b"", ())
    letters = fold(
        appended(
            refused(reason="permanent: the digest is another"),
            refused(kind="bug", reason="bug: 'x'"),
            refused(service="monitor", reason="permanent: no digest"),
            refused(b"garbage", kind="malformed", like=other),
        )
    )
    taken = [number for number, letter in enumerate(letters) if Filter(**conditions).takes(letter)]
    assert taken == found


def test_a_summary_counts_states_and_what_the_open_ones_are() -> None:
    letters = fold(
        appended(
            refused(kind="bug"),
            refused(kind="bug", service="monitor"),
            refused(kind="malformed"),
            settled("model_trained.dead/0/0"),
            refused(topic="kpi_reported"),
        )
    )
    summaries = summarise(letters)
    assert list(summaries) == ["kpi_reported", "model_trained"]
    trained = summaries["model_trained"]
    assert trained.states == {"open": 2, "replayed": 1}
    assert trained.kinds == {"bug": 1, "malformed": 1}
    assert trained.services == {"monitor": 1, "registry": 1}


def test_accounts_count_an_event_once_and_not_at_all_when_it_was_replayed() -> None:
    first, second = record("prediction_served"), record("outcome_recorded")
    twice = [refused(like=first, topic="prediction_served", offset=offset) for offset in (1, 1, 9)]
    other = refused(like=second, topic="prediction_served", offset=3)
    missing = without_effect(fold(appended(*twice, other)))
    assert [letter.name for letter in missing] == ["prediction_served.dead/0/0", "prediction_served.dead/0/3"]
    (left,) = without_effect(fold(appended(*twice, other, settled("prediction_served.dead/0/2"))))
    assert left.name == "prediction_served.dead/0/3"
    discarded = settled("prediction_served.dead/0/3", "discarded")
    assert len(without_effect(fold(appended(*twice, other, discarded)))) == 2


def test_names_lead_to_letters_and_a_wrong_one_is_explained() -> None:
    letters = fold(appended(refused(), refused()))
    found = named(letters, ["model_trained.dead/0/1", "model_trained.dead/0/1", "model_trained.dead/0/0"])
    assert [letter.record.offset for letter in found] == [1, 0]
    with pytest.raises(CommandError, match=r"there is no dead letter model_trained\.dead/0/5"):
        named(letters, ["model_trained.dead/0/5"])
    with pytest.raises(CommandError, match="is no name of a dead letter"):
        topic_of("model_trained/0/1")
    with pytest.raises(CommandError, match=r"no topic matches 'nothing\.dead'"):
        topic_of("nothing.dead/0/1")


def test_a_topic_may_be_named_with_its_suffix_or_without() -> None:
    assert dead_topics("model_trained") == dead_topics("model_trained.dead") == {"model_trained.dead"}
    assert {name.rpartition(".")[2] for name in dead_topics(None)} == {"dead"}
