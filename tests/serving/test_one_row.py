"""What is written of one record from a template is, byte for byte, what the usual way writes of it."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.serving import answers
from services.serving.decode import Decoder
from services.serving.entries import decode_head
from services.serving.frames import frame_at
from services.serving.ledger import CapacityTaken
from services.serving.one_row import Decision, OneRow
from services.serving.prepare import Stamp, prepare
from services.serving.version import Version
from shared.contract import Contract, derive_policy
from tests.serving.toy import NOW, contract

ODD = 'é"\\\n%s {0} \u2028'
THREE = contract(
    ("task: binary", "task: multiclass"),
    ("classes: [on_time, late]", "classes: [on_time, delayed, lost]"),
    ("none: {on_time: 0.00, late: 5.00}", "none: {on_time: 0.00, delayed: 5.00, lost: 9.00}"),
    ("act: {on_time: 4.00, late: 0.00}", "act: {on_time: 4.00, delayed: 0.00, lost: 1.00}"),
    ("{on_time: 0.20, late: 0.20, cap", "{on_time: 0.20, delayed: 0.20, lost: 0.20, cap"),
)
NUMBER = contract(
    ("task: binary", "task: regression"),
    ("{name: late, classes: [on_time, late], ", "{name: minutes, range: [0, 100], "),
    ("  none: {on_time: 0.00, late: 5.00}\n", ""),
    ("  act: {on_time: 4.00, late: 0.00}\n", ""),
    ("  review: {on_time: 0.20, late: 0.20, capacity: {limit: 20}}\n", ""),
    ("decisions:\n", "costs: {under: 1.00, over: 2.00}\n"),
    ("without_model: none", "without_model: 5"),
)
UNDER = {"binary": contract(), "multiclass": THREE, "regression": NUMBER}


def both(
    under: Contract, body: bytes, scores: list[float], taken: CapacityTaken, at: float
) -> list[tuple[bytes, bytes]]:
    """Frame and answer of one record, the usual way and from the template."""
    version = Version(under.use_case, 7, "a" * 64, "b" * 64, under.digest, derive_policy(under))
    ask = Decoder(under).decode(body, NOW)
    name = ask.request_id or "01a2229f-f82e-72e7-9fa9-825bdb1dd308"
    stamp = Stamp(name, at / 7, "serving/0", at)
    usual = prepare(version, ask, [scores], taken, stamp)
    found = answers.decide_rows(version.policy, ask.rows, [scores], taken, under.use_case)
    decision = Decision(found.decisions[0], found.reasons[0], found.places[0])
    mine = OneRow(version).write(ask, scores, decision, stamp)
    return [(usual.frame, answers.render(usual.head, usual.events)), mine]


chance = st.floats(0, 1)
FIRST = datetime(1971, 1, 1, tzinfo=UTC)
moments = st.integers(0, 40 * 366 * 86_400 * 10**6).map(lambda passed: FIRST + timedelta(microseconds=passed))


@given(
    kind=st.sampled_from(sorted(UNDER)),
    size=st.none() | st.floats(-10, 10),
    speed=st.none() | st.floats(allow_nan=False, allow_infinity=False),
    colour=st.none() | st.text(max_size=20).filter(lambda text: "\0" not in text) | st.just(ODD),
    time=st.none() | moments | moments.map(lambda time: time.replace(microsecond=0)),
    named=st.booleans(),
    scores=st.tuples(chance, chance, chance),
    used=st.integers(0, 21),
    at=st.floats(0, 2e9),
)
def test_both_ways_write_and_say_the_same(
    kind: str,
    size: float | None,
    speed: float | None,
    colour: str | None,
    time: datetime | None,
    named: bool,
    scores: tuple[float, float, float],
    used: int,
    at: float,
) -> None:
    under, taken = UNDER[kind], CapacityTaken()
    moment = time or NOW
    taken.add(under.use_case, {moment.date().isoformat(): {"review": used}})
    record = {"size": size, "speed": speed, "colour": colour, "left_at": time.isoformat() if time else None}
    asked = {"records": [record]} | ({"request_id": "r:1"} if named else {})
    values = list(scores[: {"binary": 1, "multiclass": 3, "regression": 1}[kind]])
    usual, mine = both(under, json.dumps(asked).encode(), values, taken, at)
    assert mine == usual


@pytest.mark.parametrize("kind", sorted(UNDER))
def test_the_entry_can_be_read_and_the_answer_says_it(kind: str) -> None:
    scores = [0.25, 0.5, 0.25] if kind == "multiclass" else [0.25]
    _, (frame, answer) = both(UNDER[kind], b'{"record": {"size": 1}}', scores, CapacityTaken(), 1.5)
    payload = frame_at(frame, 0)
    assert payload is not None
    head, _ = decode_head(payload)
    [said] = json.loads(answer)["predictions"]
    assert head.rows == 1
    assert head.taken == {NOW.date().isoformat(): {said["decision"]: 1}}
    assert said["score"] == (
        dict(zip(("on_time", "delayed", "lost"), scores, strict=True)) if kind == "multiclass" else 0.25
    )


def test_times_and_zones_end_in_the_same_text() -> None:
    for moment in (NOW, NOW + timedelta(microseconds=1), NOW + timedelta(microseconds=120_000)):
        body = json.dumps({"record": {"left_at": moment.isoformat()}}).encode()
        usual, mine = both(UNDER["binary"], body, [0.5], CapacityTaken(), 1.0)
        assert mine == usual
