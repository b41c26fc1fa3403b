"""PURE: the exact shape of a contract's request body, checked while it is read; a body that fits needs no second look.

It fits when every value has the type of its feature and lies within its range or levels. What does not fit is no fault
yet: `decode` reads it again, value by value, and flags or refuses by name. Both ways give the same rows.
"""

import re
from collections.abc import Sequence
from itertools import chain
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
import numpy as np
from msgspec import UNSET, UnsetType

from shared.contract import Contract, Feature

MAX_RECORDS = 10_000
MAX_TEXT = 256
# Bytes from which on it is sooner to compare all of them at once than to look for the next colon.
_LONG, _COLON = 8192, ord(":")
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
        known = {f"f{place}": name for place, name in enumerate(names)}
        gapped = [(field, each | None | UnsetType, UNSET) for field, each in zip(known, types, strict=True)]
        whole = [(field, each | None) for field, each in zip(known, types, strict=True)][:-1]
        self._gapped, self._whole = _decoder(gapped, known), _decoder([*whole, gapped[-1]], known)
        # The columns whose texts may hold a colon.
        features = [contract.features[name] for name in contract.categories]
        open_to_any = [any(":" in level for level in each.levels or (":",)) for each in features]
        self._open = [len(contract.numbers) + place for place, each in enumerate([*open_to_any, True]) if each]

    def read(self, body: bytes) -> Fitting | None:
        """Return the columns of a body that fits, else None.

        Every key is there once where a body has as many colons as the keys and texts that were read from it: of a key
        that stands there twice, one is not among them.
        """
        # Most clients send every feature: then none but the times are looked at again.
        asked = _decoded(self._whole, body)
        gapped = asked is None
        asked = _decoded(self._gapped, body) if gapped else asked
        if asked is None or (asked.records is None) == (asked.record is None):
            return None
        records = [asked.record] if asked.records is None else asked.records
        if not 1 <= len(records) <= MAX_RECORDS:
            return None
        columns: list[tuple[Any, ...]] = [*zip(*map(msgspec.structs.astuple, records), strict=True)]
        keys = len(columns) * len(records) + 1 + (asked.request_id is not None)
        if gapped:
            keys -= sum([column.count(UNSET) for column in columns])
            columns = [*map(_filled, columns)]
        else:
            keys -= columns[-1].count(UNSET)
            columns[-1] = _filled(columns[-1])
        fits = self._each_key_once(body, keys, asked.request_id, columns)
        return Fitting(asked.request_id, len(records), columns) if fits else None

    def _each_key_once(
        self, body: bytes, keys: int, request_id: str | None, columns: Sequence[tuple[Any, ...]]
    ) -> bool:
        if b"\\" in body:
            # Only here can text hold a colon, or a NUL, that does not stand in the body as such.
            return b"\\u0000" not in body and count_keys(body) == keys
        colons = np.count_nonzero(np.frombuffer(body, np.uint8) == _COLON) if len(body) > _LONG else body.count(b":")
        if colons == keys:
            return True
        texts = chain((request_id,), *[columns[place] for place in self._open])
        return colons == keys + "".join(filter(None, texts)).count(":")


def _decoder(fields: list[Any], known: dict[str, str]) -> msgspec.json.Decoder[Any]:
    # Records hold no records: the collector need not look at ten thousand of them.
    record = msgspec.defstruct("Record", fields, forbid_unknown_fields=True, rename=known, gc=False)
    body = msgspec.defstruct(
        "Body",
        [("request_id", str | None, None), ("records", list[record] | None, None), ("record", record | None, None)],  # type: ignore[valid-type]  # made here
        forbid_unknown_fields=True,
    )
    return msgspec.json.Decoder(body)


def _decoded(decoder: msgspec.json.Decoder[Any], body: bytes) -> Any:
    try:
        return decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def _filled(column: tuple[Any, ...]) -> tuple[Any, ...]:
    gaps = column.count(UNSET)
    if gaps in (0, len(column)):
        return (None,) * gaps or column
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
