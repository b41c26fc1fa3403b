"""Strict JSON in one spelling: sorted keys, no spaces, no NaN or infinity, so that equal content has equal digests."""

import hashlib
import json
from typing import Any

from shared.package.refusal import PackageRefused
from shared.strict_json import parse_json


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


def parse_strict(content: bytes, name: str) -> Any:
    """Parse JSON that may not contain NaN, infinity, a key twice or bytes that are not UTF-8; a refusal says `name`."""
    try:
        return parse_json(content)
    except ValueError as error:
        raise PackageRefused("format", f"{name} is not strict JSON: {error}") from error
