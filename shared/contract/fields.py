"""Names the kinds of value a contract field may hold, each with its limits and the words an editor shows for it."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Annotated

from pydantic import BeforeValidator, Field
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


Name = Annotated[
    str,
    Field(strict=True, pattern=r"^[a-z][a-z0-9_]{0,63}$", description="lower-case letters, digits and _, at most 64"),
]
Party = Annotated[
    str,
    Field(
        strict=True,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.@+-]{0,63}$",
        description="a person or team: letters, digits and _ . @ + -, at most 64",
    ),
]
Words = Annotated[
    str,
    Field(
        strict=True,
        min_length=1,
        max_length=2000,
        pattern=r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]+$",
        description="plain text of 1 to 2000 characters, no control characters",
    ),
]
Unit = Annotated[str, Field(strict=True, pattern=r"^[^\x00-\x1f\x7f]{1,32}$", description="text of 1 to 32 characters")]
Level = Annotated[str, Field(strict=True, pattern=r"^[^\x00]{0,256}$", description="text of at most 256 characters")]
Switch = Annotated[bool, Field(strict=True)]
Number = Annotated[float, BeforeValidator(_plain_number)]
Share = Annotated[Number, Field(ge=0.0, le=1.0)]
Alpha = Annotated[Number, Field(ge=1e-6, le=0.5, description="error bound, between 0.000001 and 0.5")]
EntryPoint = Annotated[
    str,
    Field(
        strict=True,
        max_length=200,
        pattern=r"^[a-z][a-z0-9]*(_[a-z0-9]+)*(\.[a-z][a-z0-9]*(_[a-z0-9]+)*)*:[a-z][a-z0-9]*(_[a-z0-9]+)*$",
        description="module:function of a module below the use case's own directory, e.g. pipeline:build",
    ),
]
CLASSIFICATION = ("binary", "multiclass")
