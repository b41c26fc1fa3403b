"""Attacks by records on Kafka: each has to become a dead letter."""

import json
from typing import Any

from shared.events import Event, ModelTrained, OutcomeRecorded, Record, RollbackRequested
from shared.events.records import headers_of
from shared.events.stored_examples import body_of, examples_of
from tests.security.attack import PICKLE

E_TRAINED, E_ROLLBACK, E_OUTCOME = ModelTrained, RollbackRequested, OutcomeRecorded


def _good(event: type[Event]) -> Record:
    document = examples_of(event)[0]
    headers = tuple((name, text.encode()) for name, text in headers_of(event, document).items())
    return Record(event.topic, b"attack", json.dumps(body_of(document)).encode(), headers)


def _with(event: type[Event], **changed: object) -> Record:
    """A good event whose body says something else."""
    good = _good(event)
    body = json.loads(good.value) | changed
    return Record(good.topic, good.key, json.dumps(body).encode(), good.headers)


def _raw(event: type[Event], value: bytes, **headers: bytes | None) -> Record:
    """Another body under good headers, some of them changed."""
    good = _good(event)
    said: Any = {**dict(good.headers), **headers}
    return Record(good.topic, good.key, value, tuple(said.items()))


def _headed(**headers: bytes | None) -> Record:
    return _raw(E_TRAINED, _good(E_TRAINED).value, **headers)


def _twice(name: str, value: bytes) -> Record:
    good = _good(E_TRAINED)
    return Record(good.topic, good.key, good.value, (*good.headers, (name, value)))


def _outcome(**changed: object) -> Record:
    body = json.loads(_good(E_OUTCOME).value)
    return _with(E_OUTCOME, outcomes=[body["outcomes"][0] | changed])


RECORD_ATTACKS: dict[str, Record] = {
    "digest: path": _with(E_TRAINED, package_digest="../../../etc/passwd"),
    "digest: address": _with(E_TRAINED, package_digest="http://169.254.169.254/latest/meta-data/"),
    "digest: a line behind it": _with(E_TRAINED, package_digest="d" * 64 + "\n"),
    "digest: wide digits": _with(E_TRAINED, package_digest="１" * 64),
    "use case: slash": _with(E_TRAINED, use_case="../trains"),
    "use case: NUL": _with(E_TRAINED, use_case="trains\0"),
    "use case: homoglyph": _with(E_TRAINED, use_case="tr\u0430ins"),
    "use case: object": _with(E_TRAINED, use_case={"$ref": "http://127.0.0.1:22/"}),
    "a pickle": _raw(E_TRAINED, PICKLE),
    "a pickle by name": _raw(E_TRAINED, PICKLE, **{"content-type": b"application/x-python-pickle"}),
    "a good body called pickle": _headed(**{"content-type": b"application/x-python-pickle"}),
    "key twice": _raw(E_TRAINED, b'{"use_case": "eve",' + _good(E_TRAINED).value.lstrip()[1:]),
    "deep": _raw(E_TRAINED, b'{"use_case": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
    "attributes in the body": _raw(E_TRAINED, b'{"id": "x", "source": "registry/0", "time": 0}'),
    "header: another type": _headed(ce_type=b"model_released"),
    "header: null id": _headed(ce_id=None),
    "header: empty id": _headed(ce_id=b""),
    "header: NUL in an id": _headed(ce_id=b"a\0b"),
    "header: id without end": _headed(ce_id=b"x" * 100_000),
    "header: not UTF-8": _headed(ce_source=b"\xff\xfe"),
    "header: year 10000": _headed(ce_time=b"10000-01-01T00:00:00Z"),
    "header: seconds for a time": _headed(ce_time=b"99999999999999999999"),
    "header: id twice": _twice("ce_id", b"another"),
    "header: type twice in capitals": _twice("CE_TYPE", b"model_released"),
    "reply-to beside a bad body": _raw(E_TRAINED, b"{}", reply_to=b"stranger", correlation_id=b"x"),
    "rollback: to a path": _with(E_ROLLBACK, use_case="/etc/passwd"),
    "rollback: huge number": _with(E_ROLLBACK, release_sequence=10**30),
    "rollback: endless reason": _with(E_ROLLBACK, reason="x" * 900_000),
    "outcome: id with a path": _outcome(prediction_id="../../r/0"),
    "outcome: id with NUL": _outcome(prediction_id="r\0/0"),
    "outcome: not a number": _raw(E_OUTCOME, _outcome(value=12345).value.replace(b"12345", b"NaN")),
    "outcome: beyond any number": _raw(E_OUTCOME, _outcome(value=12345).value.replace(b"12345", b"1e999")),
    "outcome: a pickle": _raw(E_OUTCOME, PICKLE),
}
