"""What the catalogue refuses, naming the field, and what it lets through."""

import json
from typing import Any

import pytest

from shared.events import CATALOGUE, MAX_ROWS, MalformedEventError, from_record, to_record, unknown_fields
from shared.events.base import SAFE_INTEGER
from shared.events.records import MAX_BYTES
from tests.events.records import body, example, headers, record, refusal

ROWS = MAX_ROWS + 1
DEEP: Any = 1
for _ in range(20):
    DEEP = [DEEP]


def raw(topic: str, field: str, text: str) -> bytes:
    """A body in which a field's value is these JSON bytes, however wrong."""
    return body(topic, **{field: "@@"}).replace(b'"@@"', text.encode())


def outcomes(count: int, **changed: Any) -> list[dict[str, Any]]:
    """A number of outcomes."""
    one = {"prediction_id": "r/0", "label": "late", "known_at": "2013-03-04T18:00:00Z", **changed}
    return [one] * count


MALFORMED: dict[str, tuple[str, bytes | None, str]] = {
    "a tombstone": ("model_trained", None, "body"),
    "no bytes": ("model_trained", b"", "body"),
    "garbage": ("model_trained", b"\x00\xff garbage", "body"),
    "half of the JSON": ("model_trained", b'{"use_case": "flights', "body"),
    "an array": ("model_trained", b"[1, 2]", "body"),
    "text": ("model_trained", b'"flights"', "body"),
    "two objects": ("model_trained", b"{}{}", "body"),
    "a trailing comma": ("model_trained", b'{"use_case": "f",}', "body"),
    "not UTF-8": ("training_requested", raw("training_requested", "reason", '"?"').replace(b"?", b"\xff"), "body"),
    "UTF-16": ("training_requested", body("training_requested").decode().encode("utf-16"), "body"),
    "a byte order mark": ("training_requested", b"\xef\xbb\xbf" + body("training_requested"), "body"),
    "1 MiB + 1": ("training_requested", b"{" + b" " * (MAX_BYTES - 1) + b"}", "body"),
    "deep nesting": (
        "use_case_applied",
        raw("use_case_applied", "contract", '{"a":' + "[" * 999 + "]" * 999 + "}"),
        "body",
    ),
    "nesting within JSON's limits": ("use_case_applied", body("use_case_applied", contract={"a": DEEP}), "contract"),
    "a field missing": ("training_requested", b'{"reason": "x", "requested_by": "y"}', "use_case"),
    "null for text": ("training_requested", body("training_requested", reason=None), "reason"),
    "a number for text": ("training_requested", body("training_requested", reason=7), "reason"),
    "too long a text": ("training_requested", body("training_requested", reason="x" * 4097), "reason"),
    "NUL in text": ("training_requested", body("training_requested", reason="a\0b"), "reason"),
    "a lone surrogate": ("training_requested", raw("training_requested", "reason", '"\\ud800"'), "body"),
    "no use case": ("training_requested", body("training_requested", use_case=""), "use_case"),
    "a path as use case": ("training_requested", body("training_requested", use_case="../../etc"), "use_case"),
    "an unknown cause": ("training_requested", body("training_requested", kind_of_cause="whim"), "kind_of_cause"),
    "a short digest": ("model_trained", body("model_trained", package_digest="ab12"), "package_digest"),
    "a digest in capitals": ("model_trained", body("model_trained", package_digest="A" * 64), "package_digest"),
    "NaN": ("model_trained", raw("model_trained", "evaluation", '{"auc": NaN}'), "evaluation.auc"),
    "Infinity": ("model_trained", raw("model_trained", "evaluation", '{"auc": Infinity}'), "evaluation.auc"),
    "1e999": ("model_trained", raw("model_trained", "evaluation", '{"auc": 1e999}'), "evaluation.auc"),
    "text for a number": ("model_trained", body("model_trained", evaluation={"auc": "0.9"}), "evaluation.auc"),
    "an object for a number": ("model_trained", body("model_trained", evaluation={"auc": {}}), "evaluation.auc"),
    "too many numbers": (
        "model_trained",
        body("model_trained", evaluation={str(i): 0.1 for i in range(257)}),
        "evaluation",
    ),
    "a naive time": ("model_trained", body("model_trained", train_until="2013-03-01T05:00:00"), "train_until"),
    "a time in seconds": ("model_trained", body("model_trained", train_until=1362096000), "train_until"),
    "a time in digits": ("model_trained", body("model_trained", train_until="1362096000"), "train_until"),
    "a date": ("model_trained", body("model_trained", train_until="2013-03-01"), "train_until"),
    "30 February": ("model_trained", body("model_trained", train_until="2013-02-30T00:00:00Z"), "train_until"),
    "before year 1": ("model_trained", body("model_trained", train_until="0001-01-01T00:00:00+14:00"), "train_until"),
    "after year 9999": ("model_trained", body("model_trained", train_until="9999-12-31T23:59:00-12:00"), "train_until"),
    "a sequence of 0": ("model_released", body("model_released", sequence=0), "sequence"),
    "a fraction for a count": ("model_released", body("model_released", sequence=1.5), "sequence"),
    "true for a count": ("model_released", body("model_released", sequence=True), "sequence"),
    "text for a flag": ("model_released", body("model_released", forced="yes"), "forced"),
    "NaN in a document": ("model_released", raw("model_released", "policy", '{"a": NaN}'), "policy"),
    "1e999 in a document": ("model_released", raw("model_released", "policy", '{"a": [1e999]}'), "policy"),
    "NUL in a document": ("model_released", body("model_released", policy={"a": ["\0"]}), "policy"),
    "NUL in a document's key": ("model_released", body("model_released", policy={"\0": 1}), "policy"),
    "a huge integer in a document": ("model_released", body("model_released", policy={"a": 10**300}), "policy"),
    "text of 64 KiB + 1 in a document": (
        "model_released",
        body("model_released", policy={"a": "x" * 65_537}),
        "policy",
    ),
    "a huge integer": ("kpi_reported", body("kpi_reported", cost_minor=SAFE_INTEGER + 1), "cost_minor"),
    "5,000 digits": ("kpi_reported", raw("kpi_reported", "cost_minor", "9" * 5000), "body"),
    "a coverage of 2": ("kpi_reported", body("kpi_reported", coverage=2.0), "coverage"),
    "a negative count": ("kpi_reported", body("kpi_reported", volume=-1), "volume"),
    "a currency in words": ("kpi_reported", body("kpi_reported", currency="dollars"), "currency"),
    "501 outcomes": ("outcome_recorded", body("outcome_recorded", outcomes=outcomes(ROWS)), "outcomes"),
    "no outcomes": ("outcome_recorded", body("outcome_recorded", outcomes=[]), "outcomes"),
    "a prediction id without position": (
        "outcome_recorded",
        body("outcome_recorded", outcomes=outcomes(1, prediction_id="r")),
        "outcomes.0.prediction_id",
    ),
    "label and value": ("outcome_recorded", body("outcome_recorded", outcomes=outcomes(1, value=1.0)), "outcomes.0"),
    "501 decisions": (
        "prediction_served",
        body("prediction_served", event_times=["2013-03-04T14:00:00Z"] * ROWS),
        "event_times",
    ),
    "a column too short": ("prediction_served", body("prediction_served", decisions=["none"]), "body"),
    "a feature too long": ("prediction_served", body("prediction_served", numbers={"distance": [1.0] * 9}), "body"),
    "null scores": ("prediction_served", body("prediction_served", scores=[[None], [0.1], [0.2]]), "scores.0.0"),
    "no scores": ("prediction_served", body("prediction_served", scores=[[], [0.1], [0.2]]), "scores.0"),
    "a propensity of 1.5": (
        "prediction_served",
        body("prediction_served", propensities=[1.5, 1.0, 1.0]),
        "propensities.0",
    ),
    "refused with rows": ("prediction_served", body("prediction_served", status="refused"), "body"),
    "answered without a release": ("prediction_served", body("prediction_served", release_sequence=0), "body"),
    "a feature named as SQL": (
        "prediction_served",
        body("prediction_served", numbers={"a; drop": [1.0] * 3}),
        "numbers.a; drop",
    ),
}


@pytest.mark.parametrize("what", MALFORMED)
def test_a_malformed_body_is_refused_and_the_error_names_the_field(what: str) -> None:
    topic, value, field = MALFORMED[what]
    error = refusal(topic, value)
    assert error.field.startswith(field), error
    assert len(str(error)) < 1000


MALFORMED_HEADERS: dict[str, tuple[str, bytes | None]] = {
    "no specversion": ("ce_specversion", None),
    "another specversion": ("ce_specversion", b"0.3"),
    "another type": ("ce_type", b"model_released"),
    "a type that is not UTF-8": ("ce_type", b"\xff\xfe"),
    "an id that is not UTF-8": ("ce_id", b"\xff\xfe"),
    "no id": ("ce_id", b""),
    "an endless id": ("ce_id", b"x" * 257),
    "NUL in the id": ("ce_id", b"a\0b"),
    "no source": ("ce_source", b""),
    "a naive time": ("ce_time", b"2013-03-01T00:00:00"),
    "a time in digits": ("ce_time", b"1362096000"),
    "no time at all": ("ce_time", b"soon"),
    "an empty correlation id": ("ce_correlationid", b""),
    "a null causation id": ("ce_causationid", None),
    "a stranger's null extension": ("ce_tenant", None),
    "a stranger's extension that is not UTF-8": ("ce_tenant", b"\xff"),
    "XML": ("content-type", b"application/xml"),
    "structured mode": ("content-type", b"application/cloudevents+json"),
}


@pytest.mark.parametrize("what", MALFORMED_HEADERS)
def test_a_malformed_header_is_refused_and_the_error_names_it(what: str) -> None:
    name, value = MALFORMED_HEADERS[what]
    error = refusal("training_requested", body("training_requested"), headers("training_requested", **{name: value}))
    assert error.field == name, error


@pytest.mark.parametrize("name", ["ce_specversion", "ce_type", "ce_id", "ce_source", "ce_time"])
def test_a_missing_attribute_is_refused_even_when_the_body_has_it(name: str) -> None:
    given = headers("training_requested")
    del given[name]
    value = body("training_requested", id="evil", source="evil", time="2013-03-01T05:00:00Z", type="training_requested")
    assert refusal("training_requested", value, given).field == name


def test_the_same_header_twice_is_refused() -> None:
    cls = CATALOGUE["training_requested"]
    twice = [*record("training_requested").headers, ("ce_id", b"another")]
    with pytest.raises(MalformedEventError, match="ce_id: header is given twice"):
        from_record(cls, body("training_requested"), twice)


def test_attributes_in_the_body_cannot_replace_those_of_the_headers() -> None:
    good = example("training_requested")
    value = body("training_requested", id="evil", source="evil", correlation_id="evil", causation_id="evil")
    assert from_record(type(good), value, record("training_requested").headers) == good


def test_unknown_fields_are_counted_and_dropped() -> None:
    good = example("training_requested")
    event = from_record(type(good), body("training_requested", colour="red", size=3), record(good.topic).headers)
    assert unknown_fields(event) == 2
    assert event == good
    assert b"colour" not in to_record(event).value


def test_strange_headers_beside_ours_do_no_harm() -> None:
    good = example("training_requested")
    strange = [("reply_to", b"evil"), ("trace", None), ("x", b"\xff\xfe"), ("X-A", b"")]
    assert from_record(type(good), body(good.topic), [*record(good.topic).headers, *strange]) == good


def test_an_event_of_a_stranger_without_our_extensions_begins_a_story() -> None:
    given = headers("training_requested")
    del given["ce_correlationid"]
    event = from_record(CATALOGUE["training_requested"], body("training_requested"), given.items())
    assert (event.correlation_id, event.causation_id) == (event.id, None)


def test_header_names_and_content_types_are_compared_without_case() -> None:
    good = example("training_requested")
    shouted = [(name.upper(), value) for name, value in record(good.topic).headers if name != "content-type"]
    mixed = [*shouted, ("Content-Type", b"Application/JSON; charset=UTF-8")]
    assert from_record(type(good), body(good.topic), mixed) == good


def test_an_event_larger_than_a_topic_takes_is_not_written() -> None:
    document = json.loads(body("model_released", policy={str(i): "x" * 60_000 for i in range(20)}))
    good = example("model_released")
    large = good.model_copy(update={"policy": document["policy"]})
    with pytest.raises(MalformedEventError, match="the limit is"):
        to_record(large)


def test_forty_malformed_events_are_tried() -> None:
    assert len(MALFORMED) + len(MALFORMED_HEADERS) >= 40
