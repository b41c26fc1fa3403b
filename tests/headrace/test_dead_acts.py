"""What is done with dead letters, and what is not."""

import hashlib
from typing import Any

import pytest

from headrace import dead_acts
from headrace.dead_acts import Planned, carry_out, plan_discard, plan_replay
from headrace.dead_letters import Letter, fold
from headrace.errors import CommandError
from shared.events.dead import settled_in
from shared.spine.errors import TransientError
from tests.events.records import body, record
from tests.headrace.letters import GOOD, NOON, appended, refused, settled
from tests.spine.told import KeptPublisher

NAME = "model_trained.dead/0/{}".format


def letters(*records: Any) -> list[Letter]:
    """The letters of a topic."""
    return fold(appended(*records))


def test_the_original_is_written_as_it_was() -> None:
    (letter,) = known = letters(refused())
    (planned,) = plan_replay(known, known)
    assert planned == Planned(letter, (letter,), GOOD)


def test_a_record_that_several_consumers_refused_is_written_once_and_closes_all_their_letters() -> None:
    known = letters(refused(offset=4), refused(offset=4, service="monitor"), refused(offset=5), refused(offset=4))
    (planned,) = plan_replay(known[1:2], known)
    assert [letter.name for letter in planned.settles] == [NAME(1), NAME(0), NAME(3)]
    assert len(plan_replay(known, known)) == 2


def test_what_would_be_refused_again_is_not_written_unless_it_is_repaired() -> None:
    known = letters(refused(b"{not json", kind="malformed"))
    (planned,) = plan_replay(known, known)
    assert planned.record is None
    assert planned.obstacle.startswith("it would be refused again, body: must be a JSON object")
    repaired = body("model_trained")
    (planned,) = plan_replay(known, known, {NAME(0): repaired})
    assert planned.record is not None
    assert (planned.record.value, planned.record.headers, planned.record.key) == (repaired, GOOD.headers, GOOD.key)
    assert planned.body_digest == hashlib.sha256(repaired).hexdigest()
    (planned,) = plan_replay(known, known, {NAME(0): b'{"use_case": 1}'})
    assert "refused again" in planned.obstacle


def test_what_is_dealt_with_is_done_again_only_when_asked() -> None:
    known = letters(refused(), settled(NAME(0)))
    (planned,) = plan_replay(known, known)
    assert planned.obstacle == "it was replayed already by ada at 2026-03-01 12:00:00Z; --again does it once more"
    (planned,) = plan_replay(known, known, again=True)
    assert (planned.obstacle, planned.record) == ("", GOOD)
    (planned,) = plan_discard(known)
    assert planned.obstacle == "it was replayed already by ada at 2026-03-01 12:00:00Z"


def test_what_no_consumer_has_written_can_only_be_discarded() -> None:
    known = letters(record("kpi_reported").__class__("model_trained.dead", b"k", b"?", ()))
    (planned,) = plan_replay(known, known)
    assert "no consumer of Headrace has written it" in planned.obstacle
    assert plan_discard(known) == [Planned(known[0], (known[0],))]


class Kept(KeptPublisher):
    """The publisher that `carry_out` makes for itself."""

    def __init__(self, _options: object) -> None:
        super().__init__()
        made.append(self)


made: list[Kept] = []


@pytest.fixture
def publisher(monkeypatch: pytest.MonkeyPatch) -> list[Kept]:
    """What was published, once there was something to publish."""
    made.clear()
    monkeypatch.setattr(dead_acts, "Publisher", Kept)
    return made


async def test_originals_go_out_before_what_says_so(publisher: list[Kept]) -> None:
    known = letters(refused(offset=1), refused(offset=1, service="monitor"))
    await carry_out({}, plan_replay(known, known), "replayed", "ada", "repaired the store", NOON)
    original, *markers = publisher[0].records
    assert original == GOOD
    said = [settled_in(marker.value, marker.headers) for marker in markers]
    assert [(one.letter, one.act, one.by, one.reason, one.time) for one in said if one] == [
        (NAME(0), "replayed", "ada", "repaired the store", NOON),
        (NAME(1), "replayed", "ada", "repaired the store", NOON),
    ]
    assert [letter.state for letter in fold(appended(refused(offset=1), refused(offset=1), *markers))] == [
        "replayed",
        "replayed",
    ]


async def test_a_discarded_letter_is_only_marked(publisher: list[Kept]) -> None:
    known = letters(refused(), refused(), settled(NAME(1)))
    await carry_out({}, plan_discard(known), "discarded", "ada", "a test of theirs", NOON)
    (marker,) = publisher[0].records
    said = settled_in(marker.value, marker.headers)
    assert said is not None
    assert (said.letter, said.act, said.causation_id) == (NAME(0), "discarded", known[0].event_id)


async def test_nothing_is_written_when_the_person_has_no_name(publisher: list[Kept]) -> None:
    known = letters(refused())
    with pytest.raises(CommandError, match="by: String should have at least 1 character"):
        await carry_out({}, plan_replay(known, known), "replayed", "", "", NOON)
    assert [one.records for one in publisher] in ([], [[]])


async def test_kafka_that_is_away_is_said_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    class Away(KeptPublisher):
        def __init__(self, _options: object) -> None:
            super().__init__()
            self.refusals = 1

    monkeypatch.setattr(dead_acts, "Publisher", Away)
    known = letters(refused())
    with pytest.raises(CommandError, match="can be done again without harm") as caught:
        await carry_out({}, plan_replay(known, known), "replayed", "ada", "", NOON)
    assert isinstance(caught.value.__cause__, TransientError)
