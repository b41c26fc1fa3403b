"""Attacks on serving's routes, and on BentoML's behind them."""

import gzip
import json

from tests.security.attack import JSON, PICKLE, Attack

PREDICT, OUTCOMES = "/v1/trains/predict", "/v1/trains/outcomes"
RECORD = {"size": 1.0}


def _ask(**said: object) -> Attack:
    return Attack("serving", "POST", PREDICT, json.dumps({"records": [RECORD]} | said).encode())


def _raw(body: str | bytes, path: str = PREDICT, **headers: str) -> Attack:
    content = body.encode() if isinstance(body, str) else body
    return Attack("serving", "POST", path, content, JSON | {n.replace("_", "-"): v for n, v in headers.items()})


def _told(**said: object) -> Attack:
    outcome = {"prediction_id": "r-1/0", "label": "late"} | said
    return Attack("serving", "POST", OUTCOMES, json.dumps({"outcomes": [outcome]}).encode())


def _multipart(name: str, value: str) -> Attack:
    body = f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n--x--\r\n'
    return _raw(body, "/predict", content_type="multipart/form-data; boundary=x")


SERVING_ATTACKS = {
    "id: slashes": _ask(request_id="../../r-1"),
    "id: NUL": _ask(request_id="r\0"),
    "id: two lines": _ask(request_id="r-1\r\nset-cookie: a=b"),
    "id: a line behind it": _ask(request_id="r-1\n"),
    "id: wide letters": _ask(request_id="ｒ１"),
    "id: 10,000 letters": _ask(request_id="r" * 10_000),
    "id: pickle": _ask(request_id=PICKLE.decode("latin-1")),
    "records: 10,001": _ask(records=[RECORD] * 10_001),
    "records: none": _ask(records=[]),
    "field: object with a reference": _ask(records=[{"size": {"$ref": "http://169.254.169.254/"}}]),
    "field: unknown": _ask(records=[RECORD | {"__proto__": 1}]),
    "field: location": _ask(records=[RECORD | {"location": "http://169.254.169.254/"}]),
    "field: NUL": _ask(records=[RECORD | {"colour": "r\0ed"}]),
    "field: 300 letters": _ask(records=[RECORD | {"colour": "r" * 300}]),
    "field: integer of 400 digits": _ask(records=[{"size": 10**400}]),
    "field: pickle": _ask(records=[RECORD | {"colour": "\0" + PICKLE.decode("latin-1")}]),
    "time: year 9999": _ask(records=[RECORD | {"left_at": "9999-12-31T23:59:59-23:59"}]),
    "time: no offset": _ask(records=[RECORD | {"left_at": "2013-03-01T00:00:00"}]),
    "time: seconds": _ask(records=[RECORD | {"left_at": 1e300}]),
    "unknown key": _ask(callback="http://127.0.0.1:22/"),
    "key twice": _raw('{"records": [{"size": 1, "size": 2}]}'),
    "half a surrogate": _raw('{"records": [{"colour": "\\ud800"}]}'),
    "infinity": _raw('{"records": [{"size": 1e999}]}'),
    "5,000 digits": _raw('{"records": [{"size": ' + "9" * 5000 + "}]}"),
    "deep": _raw('{"records": ' + "[" * 200_000 + "]" * 200_000 + "}"),
    "a pickle": _raw(PICKLE, content_type="application/octet-stream"),
    "a pickle called JSON": _raw(PICKLE),
    "gzip bomb": _raw(gzip.compress(b" " * 50_000_000), content_encoding="gzip"),
    "2 MiB": _raw(b" " * (2 * 1024 * 1024)),
    "a negative length": _raw("{}", content_length="-1"),
    "use case: traversal": _raw("{}", "/v1/..%2f..%2ftrains/predict"),
    "use case: NUL": _raw("{}", "/v1/trains%00/outcomes"),
    "use case: two lines": _raw('{"record": {"size": 1}}', "/v1/trains%0d%0ax/predict"),
    "outcome: path": _told(prediction_id="../../r/0"),
    "outcome: NUL": _told(prediction_id="r\0/0"),
    "outcome: position beyond any": _told(prediction_id="r-1/" + "9" * 30),
    "outcome: pickle": _told(label=PICKLE.decode("latin-1")),
    "outcome: number for a class": _told(label=None, value=1e308),
    "outcome: 1,001": _raw(json.dumps({"outcomes": [{"prediction_id": "r/0", "label": "late"}] * 1001}), OUTCOMES),
    "outcome: known in year 0": _told(known_at="0000-00-00T00:00:00Z"),
    "behind: pickle": _raw(PICKLE, "/predict", content_type="application/vnd.bentoml+pickle"),
    "behind: Arrow": _raw(b"ARROW1", "/predict", content_type="application/vnd.bentoml+arrow"),
    "behind: multipart with an address": _multipart("records", "http://169.254.169.254/latest/meta-data/"),
    "behind: file from an address": _raw('{"use_case": "trains", "records": "http://127.0.0.1:22/"}', "/predict"),
    "behind: path for a use case": _raw('{"use_case": "../x", "records": [{"size": 1}]}', "/predict"),
    "behind: deep": _raw('{"use_case": ' + "[" * 100_000 + "]" * 100_000 + "}", "/predict"),
    "behind: another act": _raw("{}", "/schema.json"),
}
