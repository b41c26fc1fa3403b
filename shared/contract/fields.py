"""Names the kinds of value a contract field may hold, each with its limits and the words an editor shows for it."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError


def _plain_number(raw: object) -> float:
    """Refuse text and booleans, which pydantic would turn into numbers, and what JSON cannot carry."""
    if isinstance(raw, bool) or not isinstance(raw, int | float | Decimal):
        raise PydanticCustomError("number", "must be a number")
    try:
        number = float(raw)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise PydanticCustomError("number", "must be a finite number")
    return number + 0.0  # −0.0 would be another digest for the same number


def _by_name(entries: dict[str, Any]) -> dict[str, Any]:
    return dict(sorted(entries.items()))


FINITE = BeforeValidator(_plain_number)
# Where order means nothing it must not reach the digest.
BY_NAME = AfterValidator(_by_name)


def _text(pattern: str, allowed: str, longest: int | None = None) -> Any:
    """Text of this form; `x-allowed` carries the words for people through the JSON Schema."""
    return Field(strict=True, pattern=pattern, max_length=longest, json_schema_extra={"x-allowed": allowed})


def _range(allowed: str) -> Any:
    return Field(json_schema_extra={"x-allowed": allowed})


_WORD = "[a-z][a-z0-9]*(_[a-z0-9]+)*"

Name = Annotated[
    str, _text(r"^[a-z][a-z0-9_]{0,63}$", "lower-case letters, digits and _, beginning with a letter, at most 64")
]
Party = Annotated[
    str, _text(r"^[A-Za-z0-9][A-Za-z0-9_.@+-]{0,63}$", "a person or team: letters, digits and _ . @ + -, at most 64")
]
Words = Annotated[
    str, _text(r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]{1,2000}$", "text of 1 to 2000 characters, no control characters")
]
Unit = Annotated[str, _text(r"^[^\x00-\x1f\x7f]{1,32}$", "text of 1 to 32 characters")]
Level = Annotated[str, _text(r"^[^\x00]{0,256}$", "text of at most 256 characters")]
EntryPoint = Annotated[
    str,
    _text(
        rf"^{_WORD}(\.{_WORD})*:{_WORD}$",
        "module:function of a module below the use case's own directory, e.g. pipeline:build",
        longest=200,
    ),
]
Currency = Annotated[str, _text(r"^[A-Z]{3}$", "an ISO 4217 code, e.g. USD")]
Switch = Annotated[bool, Field(strict=True)]
Number = Annotated[float, FINITE]
Range = Annotated[tuple[Number, Number], Field(json_schema_extra={"x-allowed": "[lowest, highest], lowest < highest"})]
Positive = Annotated[float, Field(gt=0), FINITE, _range("a number above 0")]
Share = Annotated[float, Field(ge=0, le=1), FINITE, _range("a number from 0 to 1")]
SomeShare = Annotated[float, Field(gt=0, le=1), FINITE, _range("a number above 0, at most 1")]
HalfShare = Annotated[float, Field(ge=0, le=0.5), FINITE, _range("a number from 0 to 0.5")]
Alpha = Annotated[float, Field(ge=1e-6, le=0.5), FINITE, _range("an error bound from 0.000001 to 0.5")]
# What `rollback.max_error_rate` is where a contract says nothing.
USUAL_ERROR_RATE = 0.05
CLASSIFICATION = ("binary", "multiclass")
