"""Strict JSON in one spelling: sorted keys, no spaces, no NaN or infinity, so that equal content has equal digests."""

import hashlib
import json
from typing import Any, NoReturn

from shared.package.refusal import PackageRefused


def canonical_json(value: Any) -> bytes:
    """Return the only spelling of `value`; raises ValueError for NaN and infinity.

    >>> canonical_json({"b": 1, "a": None})
    b'{"a":null,"b":1}'
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode()


def sha256_hex(content: bytes) -> str:
    """Return the SHA-256 of `content` as 64 hex digits."""
    return hashlib.sha256(content).hexdigest()


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def parse_strict(content: bytes, name: str) -> Any:
    """Parse JSON that may not contain NaN, infinity or bytes that are not UTF-8; `name` goes into the refusal."""
    try:
        return json.loads(content.decode(), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise PackageRefused("format", f"{name} is not strict JSON: {error}") from error
