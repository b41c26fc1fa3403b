"""Attacks on the registry's routes: names, bodies, contracts."""

import gzip
import json

from tests.registry.toy import CONTRACT
from tests.security.attack import JSON, PICKLE, YAML, Attack

RELEASES = "/v1/use_cases/trains/releases"
ROLLBACKS = "/v1/use_cases/trains/rollbacks"
_PACKAGES = "/v1/packages/"


def _release(**said: object) -> Attack:
    asked = {"package": "{other}", "reason": "better"} | said
    return Attack("registry", "POST", RELEASES, json.dumps(asked).encode())


def _raw(body: str | bytes, **headers: str) -> Attack:
    content = body.encode() if isinstance(body, str) else body
    return Attack("registry", "POST", RELEASES, content, JSON | {n.replace("_", "-"): v for n, v in headers.items()})


def _named(name: str) -> Attack:
    body = b'{"package": "{other}", "reason": "better"}'
    return Attack("registry", "POST", f"/v1/use_cases/{name}/releases", body)


def _contract(old: str, new: str) -> Attack:
    assert old in CONTRACT, old
    return _yaml(CONTRACT.replace(old, new))


def _yaml(text: str | bytes, **headers: str) -> Attack:
    content = text.encode() if isinstance(text, str) else text
    return Attack("registry", "POST", "/v1/use_cases", content, YAML | headers)


def _nine_times(level: int) -> str:
    return f"a{level + 1}: &a{level + 1} [{', '.join([f'*a{level}'] * 9)}]\n"


_FEATURES = "".join(f"  f{number}: {{type: number}}\n" for number in range(12_000))

PATHS = {
    "digest: traversal": Attack("registry", "PUT", _PACKAGES + "..%2f..%2f..%2fetc%2fpasswd"),
    "digest: dots": Attack("registry", "PUT", _PACKAGES + "%2e%2e"),
    "digest: NUL": Attack("registry", "PUT", _PACKAGES + "d" * 60 + "%00ddd"),
    "digest: a line behind it": Attack("registry", "PUT", _PACKAGES + "d" * 64 + "%0a"),
    "digest: wide digits": Attack("registry", "PUT", _PACKAGES + "%EF%BC%91" * 64),
    "digest: capitals": Attack("registry", "PUT", _PACKAGES + "D" * 64),
    "use case: traversal": _named("..%2f..%2ftrains"),
    "use case: NUL": _named("trains%00"),
    "use case: slash": _named("trains%2freleases%2f.."),
    "use case: header injection": _named("trains%0d%0aset-cookie:%20a=b"),
    "use case: a Cyrillic letter": _named("tr%D0%B0ins"),
    "use case: SQL": _named("trains'%3b%20DROP%20TABLE%20registry_releases%3b--"),
    "ledger: number beyond any": Attack("registry", "GET", "/v1/use_cases/trains/ledger?after=" + "9" * 40),
    "ledger: no number": Attack("registry", "GET", "/v1/use_cases/trains/ledger?limit=1e9"),
    "ledger: year 0": Attack("registry", "GET", "/v1/use_cases/trains/ledger?at=0000-01-01T00:00:00Z"),
    "runs: number beyond any": Attack("trainer", "GET", "/v1/runs?limit=" + "9" * 40),
}

BODIES = {
    "package: path": _release(package="../../../etc/passwd"),
    "package: metadata address": _release(package="http://169.254.169.254/latest/meta-data/"),
    "package: file URL": _release(package="file:///etc/passwd"),
    "package: bucket": _release(package="s3://somebody/else"),
    "package: list": _release(package=["{other}"]),
    "package: unicode digits": _release(package="１" * 64),
    "reason: huge integer": _release(reason=10**4000),
    "reason: NUL": _release(reason="a\0b"),
    "reason: terminal control": _release(reason="\x1b]0;owned\x07"),
    "reason: text turned around": _release(reason="good \u202e doog"),
    "reason: too long": _release(reason="x" * 100_000),
    "signature: two lines": _release(released_by="ada\r\nX-Role: approver"),
    "signature: turned around": _release(released_by="\u2066eve\u2069"),
    "signature: pickle": _release(released_by=PICKLE.decode("latin-1")),
    "force: number": _release(force=1),
    "unknown key": _release(__class__="x", role="approver"),
    "key twice": _raw('{"package": "{served}", "reason": "x", "package": "{other}"}'),
    "half a surrogate": _raw('{"package": "{other}", "reason": "\\ud800"}'),
    "5,000 digits": _raw('{"package": "{other}", "reason": "x", "force": ' + "9" * 5000 + "}"),
    "not a number": _raw('{"package": "{other}", "reason": "x", "force": NaN}'),
    "infinity": _raw('{"package": "{other}", "reason": "x", "force": 1e999}'),
    "deep lists": _raw('{"package": ' + "[" * 100_000 + "]" * 100_000 + "}"),
    "deep objects": _raw('{"package": ' + '{"a":' * 50_000 + "1" + "}" * 50_000 + "}"),
    "not UTF-8": _raw(b'{"package": "{other}", "reason": "\xff"}'),
    "UTF-7 by name": _raw('{"package": "{other}", "reason": "+AAA-"', content_type="application/json; charset=utf-7"),
    "a pickle": _raw(PICKLE, content_type="application/octet-stream"),
    "a pickle called JSON": _raw(PICKLE),
    "a form of another site": _raw('{"package": "{other}", "reason": "x"}', content_type="text/plain"),
    "gzip bomb": _raw(gzip.compress(b" " * 50_000_000), content_encoding="gzip"),
    "a terabyte announced": _raw("{}", content_length=str(10**12)),
    "600 KiB": _raw('{"package": "{other}", "reason": "' + "x" * 600_000 + '"}'),
    "rollback to a URL": Attack("registry", "POST", ROLLBACKS, b'{"reason": "x", "to": "http://127.0.0.1:22/"}'),
    "rollback to a path": Attack("registry", "POST", ROLLBACKS, b'{"reason": "x", "to": "/etc/passwd"}'),
    "rollback key twice": Attack("registry", "POST", ROLLBACKS, b'{"reason": "x", "reason": "y"}'),
}

CONTRACTS = {
    "YAML: laughs without end": _yaml("a0: &a0 [x, x, x]\n" + "".join(map(_nine_times, range(20)))),
    "YAML: one anchor": _contract("owner: desk\nobjective", "owner: &x desk\nobjective"),
    "YAML: merge key": _contract("  size: {type: number}\n", "  size: {<<: {type: number}}\n"),
    "YAML: Python object": _contract("owner: desk\nobj", "owner: !!python/object/apply:os.system [id]\nobj"),
    "YAML: Python name": _contract("owner: desk\nobjective", "owner: !!python/name:os.system\nobjective"),
    "YAML: binary pickle": _contract("owner: desk\nobjective", "owner: !!binary gASVIAAAAA==\nobjective"),
    "YAML: deep": _yaml(CONTRACT + "extra: " + "[" * 10_000 + "]" * 10_000),
    "YAML: deep blocks": _yaml(CONTRACT + "extra:\n" + "".join(" " * i + "a:\n" for i in range(1, 400))),
    "YAML: two documents": _yaml(CONTRACT + "---\n" + CONTRACT),
    "YAML: a key twice": _yaml(CONTRACT + "owner: eve\n"),
    "YAML: NUL": _contract("owner: desk\nobjective", 'owner: "de\\0sk"\nobjective'),
    "YAML: UTF-16": _yaml(CONTRACT.encode("utf-16")),
    "YAML: 600 KiB": _yaml(CONTRACT + "#" * 600_000),
    "YAML: 12,000 features": _contract("  size: {type: number}\n", _FEATURES),
    "contract: JSON with a key twice": _yaml('{"use_case": "trains", "use_case": "planes"}', **JSON),
    "contract: path for a name": _contract("use_case: trains", "use_case: ../../trains"),
    "contract: homoglyph for a name": _contract("use_case: trains", "use_case: tr\u0430ins"),
    "contract: source at an address": _contract("source:load", "http://169.254.169.254:load"),
    "contract: source from outside": _contract("source:load", "..etc.passwd:load"),
    "contract: code of the system": _contract("pipeline:build", "/usr/lib/python3/os:system"),
    "contract: cost of 400 digits": _contract("late: 5.00", "late: " + "9" * 400),
    "contract: cost beyond any": _contract("late: 5.00", "late: 1e9999"),
    "contract: cost that is none": _contract("late: 5.00", "late: .nan"),
    "contract: capacity beyond any": _contract("limit: 40", "limit: " + "9" * 30),
    "contract: sexagesimal": _contract("limit: 40", "limit: 190:20:30"),
    "contract: signer of two lines": _contract("{owner: desk}", '{owner: "desk\\r\\nX-Role: approver"}'),
}  # fmt: skip

REGISTRY_ATTACKS = PATHS | BODIES | CONTRACTS
