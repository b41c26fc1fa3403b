"""PURE: a request body to columns under the contract; what is wrong is refused by name, what is odd is flagged.

Flagged = a scalar outside its range or levels, or of another type: it counts as missing for the model, and the decision
is the one without a model. Anything that is no scalar, no JSON or no known name is refused.
"""

import hashlib
import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import Any, NamedTuple

import msgspec

from services.serving.entries import Head
from services.serving.faults import Refused, body_fault
from services.serving.shape import MAX_RECORDS, MAX_TEXT, Fitting, Shape, count_keys
from services.serving.times import Times
from shared.contract import Contract

REQUEST_ID = re.compile(r"[A-Za-z0-9._:\-]{1,128}")

Scalar = str | int | float | bool | None
Fields = dict[str, Scalar]


class Body(msgspec.Struct, forbid_unknown_fields=True):
    """What a client sends."""

    request_id: str | None = None
    records: list[Fields] | None = None
    record: Fields | None = None
    columns: dict[str, list[Scalar]] | None = None


_BODY = msgspec.json.Decoder(Body)
_FORMS = ("records", "record", "columns")


class Rows(msgspec.Struct, frozen=True):
    """The records of one request, column by column, in the contract's order."""

    times: list[datetime]
    blocks: list[str]
    numbers: Mapping[str, Sequence[float | None]]
    categories: Mapping[str, Sequence[str | None]]
    flagged: list[list[str]]

    def __len__(self) -> int:
        return len(self.times)

    def columns(self) -> Mapping[str, Sequence[object]]:
        """What the model reads."""
        return {**self.numbers, **self.categories}


class Form(NamedTuple):
    """How an answer is written: from its entry in the journal, so that a repeat gives the same bytes."""

    render: Callable[[Head, Sequence[Any]], bytes]
    content_type: str


class Ask(msgspec.Struct, frozen=True, dict=True):
    """A readable request; without a `form` the answer says one prediction after the other."""

    request_id: str | None
    rows: Rows
    body: bytes
    form: Form | None = None

    @cached_property
    def digest(self) -> str:
        """Names what was asked, whatever the order of the keys; a repeat under the same id must be the same."""
        canonical = msgspec.json.encode(_records(_BODY.decode(self.body)), order="sorted")
        return hashlib.blake2b(canonical, digest_size=16).hexdigest()


class Decoder:
    """Reads request bodies of one contract."""

    def __init__(self, contract: Contract) -> None:
        self.contract = contract
        self._ranges = {name: contract.features[name].range or (-math.inf, math.inf) for name in contract.numbers}
        self._levels = {name: frozenset(contract.features[name].levels or ()) for name in contract.categories}
        self._known = frozenset((*contract.feature_names, contract.event_time))
        self._shape = Shape(contract)
        self._times = Times(contract)

    def decode(self, body: bytes, now: datetime | None) -> Ask:
        """Return what is asked; `now` is event time for records that give none. Raises Refused."""
        fitting = self._shape.read(body)
        asked = _read(body) if fitting is None else fitting
        request_id = asked.request_id
        if request_id is not None and not REQUEST_ID.fullmatch(request_id):
            raise Refused(422, "request_id must match [A-Za-z0-9._:-]{1,128}", field="request_id", limit=128)
        try:
            rows = self._looked_at(asked, body, now) if isinstance(asked, Body) else self._fitted(asked, now)
        except Refused as refused:
            refused.request_id = request_id
            raise
        return Ask(request_id, rows, body)

    def _fitted(self, fitting: Fitting, now: datetime | None) -> Rows:
        numbers, columns = self.contract.numbers, fitting.columns
        times, blocks = self._times.of(columns[-1], now)
        return Rows(
            times,
            blocks,
            dict(zip(numbers, columns[: len(numbers)], strict=True)),
            dict(zip(self.contract.categories, columns[len(numbers) : -1], strict=True)),
            [[]] * fitting.rows,  # one for all: nobody adds to it
        )

    def _looked_at(self, asked: Body, body: bytes, now: datetime | None) -> Rows:
        records = _records(asked)
        keys = sum(map(len, records)) + 1 + (asked.request_id is not None)
        find_duplicate_keys(body, keys)
        return self.rows(records, now)

    def rows(self, records: Sequence[Fields], now: datetime | None) -> Rows:
        """Return the columns of records, value by value; raises Refused naming record and field."""
        for position, record in enumerate(records):
            if unknown := record.keys() - self._known:
                name = min(unknown)
                raise Refused(
                    422,
                    f"record {position} has an unknown field {name[:100]!r}",
                    record=position,
                    field=name[:100],
                    allowed=sorted(self._known),
                )
        flagged: list[list[str]] = [[] for _ in records]
        times, blocks = self._times.of([record.get(self.contract.event_time) for record in records], now)
        return Rows(
            times,
            blocks,
            {name: self._numbers(name, records, flagged) for name in self.contract.numbers},
            {name: self._categories(name, records, flagged) for name in self.contract.categories},
            flagged,
        )

    def _numbers(self, name: str, records: Sequence[Fields], flagged: list[list[str]]) -> list[float | None]:
        low, high = self._ranges[name]
        column: list[float | None] = []
        for position, record in enumerate(records):
            value = record.get(name)
            kind = type(value)
            if kind is int:
                value, kind = finite(value, position, name), float
            if kind is float and low <= value <= high:  # type: ignore[operator]
                column.append(value)  # type: ignore[arg-type]
                continue
            column.append(None)
            if value is not None:
                check_text(value, position, name)
                flagged[position].append(name)
        return column

    def _categories(self, name: str, records: Sequence[Fields], flagged: list[list[str]]) -> list[str | None]:
        levels = self._levels[name]
        column: list[str | None] = []
        for position, record in enumerate(records):
            value = record.get(name)
            if type(value) is str:
                check_text(value, position, name)
                if not levels or value in levels:
                    column.append(value)
                    continue
            elif type(value) is int:
                finite(value, position, name)
            column.append(None)
            if value is not None:
                flagged[position].append(name)
        return column


def _read(body: bytes) -> Body:
    try:
        return _BODY.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise body_fault(body, error, ("request_id", *_FORMS)) from error


def _records(asked: Body) -> list[Fields]:
    if asked.columns is not None or (asked.records is None) == (asked.record is None):
        said = "give one of records (a list), record (one) and columns (lists by name)"
        raise Refused(422, said, field="records", allowed=list(_FORMS))
    records = asked.records if asked.records is not None else [asked.record or {}]
    if not 1 <= len(records) <= MAX_RECORDS:
        raise Refused(
            422, f"{len(records)} records, 1 to {MAX_RECORDS} are allowed", field="records", limit=MAX_RECORDS
        )
    return records


def finite(value: Scalar, position: int, name: str) -> float:
    try:
        return float(value)  # type: ignore[arg-type]
    except OverflowError:
        raise Refused(422, f"record {position}: {name} is not a finite number", record=position, field=name) from None


def check_text(value: Scalar, position: int, name: str) -> None:
    if type(value) is not str:
        return
    if len(value) > MAX_TEXT:
        said = f"record {position}: {name} has {len(value)} characters, at most {MAX_TEXT} are allowed"
        raise Refused(422, said, record=position, field=name, limit=MAX_TEXT)
    if "\0" in value:
        raise Refused(422, f"record {position}: {name} holds a NUL character", record=position, field=name)


def find_duplicate_keys(body: bytes, keys: int) -> None:
    """Refuse duplicate keys: a body has at least as many `":` as keys, so equality proves that each is there once."""
    if count_keys(body) > keys:
        _find_duplicate(body)


def _find_duplicate(body: bytes) -> None:
    """Raise Refused when an object of the body has a key twice."""

    def check(pairs: list[tuple[str, object]]) -> dict[str, object]:
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise Refused(422, f"the key {name[:100]!r} stands twice in one object", field=name[:100])
            seen.add(name)
        return dict(pairs)

    json.loads(body, object_pairs_hook=check, parse_int=str)
