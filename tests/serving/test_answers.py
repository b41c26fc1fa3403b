"""What serving writes is exactly the event of the catalogue, and the answer is a function of it."""

from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.serving import answers
from services.serving.answers import SERVED_JSON, Served
from services.serving.decode import Decoder, Fields, Rows
from services.serving.entries import Head
from services.serving.faults import Refused
from services.serving.ledger import CapacityTaken
from services.serving.version import Version
from shared.contract import Policy, derive_policy
from shared.events import PredictionServed, from_record, to_record
from tests.serving.toy import NOW, contract

UNDER = contract()
POLICY = derive_policy(UNDER)
VERSION = Version("trains", 7, "a" * 64, "b" * 64, UNDER.digest, POLICY)


def events_of(rows: Rows, scores: list[list[float]], taken: CapacityTaken) -> list[Served]:
    """The events of one request."""
    decided = answers.decide_rows(POLICY, rows, scores, taken, "trains")
    return [event for event, _ in answers.served_events(VERSION, "r-1", rows, scores, decided, 1.5)]


def test_the_event_on_the_wire_is_the_event_of_the_catalogue() -> None:
    time = datetime(2013, 3, 1, 11, 0, 0, 123456, tzinfo=UTC)
    records: list[Fields] = [{"size": 1, "colour": 'é"\\\n', "left_at": time.isoformat()}, {"size": 11}, {}]
    rows = Decoder(UNDER).rows(records, NOW)
    [event] = events_of(rows, [[0.9], [0.1], [1 / 3]], CapacityTaken())
    body = SERVED_JSON.encode(event)
    message = answers.message_of(event, body, "serving/0", time)
    headers = [(name, value.encode()) for name, value in message.headers]
    parsed = from_record(PredictionServed, body, headers)
    assert parsed.scores == [[0.9], [0.1], [1 / 3]]
    assert parsed.event_times[0] == parsed.time == time
    assert parsed.categories["colour"][0] == 'é"\\\n'
    assert parsed.flagged == [[], ["size"], []]
    assert (message.topic, message.key) == (parsed.topic, parsed.key)
    again = to_record(parsed)
    assert sorted(again.headers) == sorted(headers)
    assert msgspec.json.decode(again.value) == {"error": None, **msgspec.json.decode(body)}


def test_a_refused_request_is_an_event_of_the_catalogue_too() -> None:
    event = Served("trains", "r-2", 0, "refused", 0.0, error="record 0: size is nested")
    body = SERVED_JSON.encode(event)
    headers = [(n, v.encode()) for n, v in answers.message_of(event, body, "serving/0", NOW).headers]
    assert from_record(PredictionServed, body, headers).error == "record 0: size is nested"


def test_the_capacity_of_a_block_is_shared_by_the_rows_of_a_request_and_what_was_taken_before() -> None:
    taken = CapacityTaken()
    taken.add("trains", {"2013-03-01": {"review": 18, "none": 5}})
    rows = Decoder(UNDER).rows([{"size": 1}] * 4, NOW)
    [event] = events_of(rows, [[0.5]] * 4, taken)
    assert event.decisions[:2] == ["review", "review"]
    assert "review" not in event.decisions[2:]
    assert event.reasons == ["cost", "cost", "capacity", "capacity"]
    assert event.places == [19, 20, None, None]


def test_many_rows_become_events_of_500_and_large_rows_of_fewer() -> None:
    rows = Decoder(UNDER).rows([{"size": 1}] * 1000, NOW)
    assert [e.first_position for e in events_of(rows, [[0.5]] * 1000, CapacityTaken())] == [0, 500]
    many = [[1 / 1000] * 200] * 1000
    decided = answers.Decided(["none"] * 1000, ["cost"] * 1000, [None] * 1000, {})
    large = answers.served_events(VERSION, "r-1", rows, many, decided, 1.5)
    assert [event.first_position for event, _ in large] == [0, 250, 500, 750]
    assert sum(len(event.decisions) for event, _ in large) == 1000
    assert max(len(body) for _, body in large) <= answers.EVENT_BYTES


@pytest.mark.parametrize("text", ["x" * 256, "é" * 256, '"' * 256, "\n" * 256])
def test_the_largest_body_makes_events_that_a_topic_takes(text: str) -> None:
    # One large record after the other, and the small ones at the end: no average says how large an event is.
    large, small = Fields(colour=text), Fields()
    records = [large] * 2000 + [small] * 8000
    rows = Decoder(UNDER).rows(records, NOW)
    decided = answers.decide_rows(POLICY, rows, [[0.5]] * 10_000, CapacityTaken(), "trains")
    written = answers.served_events(VERSION, "r-1", rows, [[0.5]] * 10_000, decided, 1.5)
    assert max(len(body) for _, body in written) < 1_000_000
    assert sum(len(event.decisions) for event, _ in written) == 10_000


def test_a_record_that_no_event_can_hold_is_refused_by_name() -> None:
    columns = "".join(f"\n  c{column}: {{type: category}}" for column in range(900))
    decoder = Decoder(contract(("colour: {type: category}", "colour: {type: category}" + columns)))
    records: list[Fields] = [{}, {f"c{column}": "\x01" * 256 for column in range(900)}]
    rows = decoder.rows(records, NOW)
    decided = answers.decide_rows(POLICY, rows, [[0.5]] * 2, CapacityTaken(), "trains")
    with pytest.raises(Refused, match=r"record 1 makes an event of .* bytes, at most 1000000 are allowed"):
        answers.served_events(VERSION, "r-1", rows, [[0.5]] * 2, decided, 1.5)


def test_an_answer_says_a_class_table_for_many_classes_and_the_number_decided_for_a_regression() -> None:
    base = Served("trains", "r", 0, "answered", 0.0, release_sequence=1, blocks=["b"], flagged=[[]], reasons=["cost"])
    many = msgspec.structs.replace(base, scores=[[0.2, 0.3, 0.5]], decisions=["go"])
    answer = msgspec.json.decode(answers.render(Head(at=0.0, classes=["a", "b", "c"]), [many]))
    assert answer["predictions"][0]["score"] == {"a": 0.2, "b": 0.3, "c": 0.5}
    one = msgspec.structs.replace(base, scores=[[12.0]], decisions=["estimate"])
    answer = msgspec.json.decode(answers.render(Head(at=0.0, estimates=[10.0]), [one]))
    assert answer["predictions"][0]["score"] == 10.0


def test_a_regression_answers_within_the_labels_range() -> None:
    policy = Policy(
        task="regression",
        classes=(),
        rules=POLICY.rules[:1],
        without_model="constant",
        constant=3.0,
        label_range=(0.0, 10.0),
        currency="EUR",
        minor_digits=2,
    )
    assert answers.estimates(policy, [[12.0], [5.0], [7.0]], ["estimate", "estimate", "constant"]) == [10.0, 5.0, 3.0]
    assert answers.estimates(POLICY, [[0.5]], ["none"]) == []


@given(st.lists(st.tuples(st.sampled_from("ab"), st.floats(0, 1), st.booleans()), min_size=1, max_size=60), st.data())
def test_many_rows_are_decided_as_they_are_one_by_one(rows: list[tuple[str, float, bool]], data: st.DataObject) -> None:
    taken = CapacityTaken()
    for block in "ab":
        taken.add("trains", {block: {"review": data.draw(st.integers(0, 25)), "none": 3}})
    asked = Rows([NOW] * len(rows), [row[0] for row in rows], {}, {}, [["size"] if row[2] else [] for row in rows])
    scores = [[row[1]] for row in rows]
    with pytest.MonkeyPatch.context() as patched:
        decided = {}
        for few in (0, 1000):
            patched.setattr(answers, "FEW_ROWS", few)
            decided[few] = answers.decide_rows(POLICY, asked, scores, taken, "trains")
    assert decided[0] == decided[1000]
    assert sum(sum(each.values()) for each in decided[0].taken.values()) == len(rows)
