"""PURE: the exact shape of a contract's request body, checked while it is read; a body that fits needs no second look.

It fits when every value has the type of its feature and lies within its range or levels. What does not fit is no fault
yet: `decode` reads it again, value by value, and flags or refuses by name. Both ways give the same rows.
"""

import re
from collections.abc import Sequence
from itertools import chain
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
from msgspec import UNSET, UnsetType

from shared.contract import Contract, Feature

MAX_RECORDS = 10_000
MAX_TEXT = 256
_KEY = re.compile(rb'"\s*:')


class Fitting(NamedTuple):
    """A body that fits: its columns, one tuple each, in the order numbers, categories, event time."""

    request_id: str | None
    rows: int
    columns: Sequence[tuple[Any, ...]]


class Shape:
    """Reads the bodies that fit one contract."""

    def __init__(self, contract: Contract) -> None:
        names = (*contract.numbers, *contract.categories, contract.event_time)
        types = [_type_of(contract.features[name]) for name in names[:-1]] + [str]
        # A column may have a name that Python keeps for itself: fields are numbered.
        fields = [(f"f{place}", each | None | UnsetType, UNSET) for place, each in enumerate(types)]
        known = {field[0]: name for field, name in zip(fields, names, strict=True)}
        # Records hold no records: the collector need not look at ten thousand of them.
        record = msgspec.defstruct("Record", fields, forbid_unknown_fields=True, rename=known, gc=False)
        body = msgspec.defstruct(
            "Body",
            [("request_id", str | None, None), ("records", list[record] | None, None), ("record", record | None, None)],  # type: ignore[valid-type]  # made here
            forbid_unknown_fields=True,
        )
        self._first_text = len(contract.numbers)
        self._json = msgspec.json.Decoder(body)

    def read(self, body: bytes) -> Fitting | None:
        """Return the columns of a body that fits, else None.

        Every key is there once where a body has as many colons as the keys and texts that were read from it: of a key
        that stands there twice, one is not among them.
        """
        try:
            asked: Any = self._json.decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return None
        if (asked.records is None) == (asked.record is None):
            return None
        records = [asked.record] if asked.records is None else asked.records
        if not 1 <= len(records) <= MAX_RECORDS:
            return None
        rows = [*map(msgspec.structs.astuple, records)]
        columns: list[tuple[Any, ...]] = [*zip(*rows, strict=True)]
        absent = [column.count(UNSET) for column in columns]
        keys = len(columns) * len(rows) - sum(absent) + 1 + (asked.request_id is not None)
        if b"\\" in body:
            # Only here can text hold a colon, or a NUL, that does not stand in the body as such.
            if b"\\u0000" in body or count_keys(body) != keys:
                return None
        elif body.count(b":") != keys + self._colons(asked.request_id, columns):
            return None
        columns = [_filled(column, gaps) if gaps else column for column, gaps in zip(columns, absent, strict=True)]
        return Fitting(asked.request_id, len(rows), columns)

    def _colons(self, request_id: str | None, columns: Sequence[tuple[Any, ...]]) -> int:
        texts = chain((request_id,), *columns[self._first_text :])
        return "".join(filter(None, texts)).count(":")


def _filled(column: tuple[Any, ...], gaps: int) -> tuple[Any, ...]:
    if gaps == len(column):
        return (None,) * gaps
    return tuple([None if value is UNSET else value for value in column])


def count_keys(body: bytes) -> int:
    """Return how many `":` a body has: at least as many as keys, so that equality proves each key to be there once."""
    return len(_KEY.findall(body))


def _type_of(feature: Feature) -> Any:
    if feature.type == "category":
        return Literal[feature.levels] if feature.levels else Annotated[str, msgspec.Meta(max_length=MAX_TEXT)]
    if feature.range is None:
        return float
    low, high = feature.range
    return Annotated[float, msgspec.Meta(ge=low, le=high)]
