"""PURE: columns of values to checked columns under the contract, with the rules that decode.py has for records.

A column comes as JSON's list of scalars, as numbers, as text by code, or as times. Checks run over whole columns, and
over the distinct values where these are text.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

import msgspec
import numpy as np
from numpy.typing import NDArray

from services.serving.decode import (
    REQUEST_ID,
    Ask,
    Form,
    Rows,
    Scalar,
    check_text,
    find_duplicate_keys,
    finite,
)
from services.serving.faults import Refused
from services.serving.shape import MAX_RECORDS, MAX_TEXT
from services.serving.times import read_time
from shared.contract import Contract, block_bounds, block_of

_ISO = "an ISO 8601 time with offset, such as 2013-03-01T06:00:00-05:00"


@dataclass(frozen=True)
class Coded:
    """A column of text: `codes` point into `values`; -1 is null."""

    codes: NDArray[np.int64]
    values: Sequence[str]

    def __len__(self) -> int:
        return len(self.codes)


@dataclass(frozen=True)
class Moments:
    """A column of times; None is null."""

    times: Sequence[datetime | None]

    def __len__(self) -> int:
        return len(self.times)


class Body(msgspec.Struct, forbid_unknown_fields=True):
    """What a client sends as columns."""

    columns: dict[str, list[Scalar]]
    request_id: str | None = None


_BODY = msgspec.json.Decoder(Body)
# Numbers are float64 with NaN for null.
Given = Sequence[Scalar] | NDArray[np.float64] | Coded | Moments


class TableRows(Rows, frozen=True):
    """Rows whose columns the model can read as arrays."""

    arrays: Mapping[str, NDArray[np.float64] | NDArray[np.object_]]

    def columns(self) -> Mapping[str, Sequence[object]]:
        """What the model reads."""
        return self.arrays  # type: ignore[return-value]  # arrays are read as sequences are


class TableAsk(Ask, frozen=True, dict=True):
    """A readable request of columns."""

    said_times: Sequence[datetime | None] = ()

    @cached_property
    def digest(self) -> str:
        """Names what was asked, in whatever form it came; a value that counts as missing is named by its flag."""
        rows, found = self.rows, hashlib.blake2b(digest_size=16)
        found.update(msgspec.json.encode([self.said_times, rows.flagged, list(rows.numbers), rows.categories]))
        assert isinstance(rows, TableRows)
        for name in rows.numbers:
            found.update(rows.arrays[name].tobytes())
        return found.hexdigest()


def read_columns(contract: Contract, body: bytes, now: datetime | None, form: Form) -> Ask | None:
    """Return what a JSON body of columns asks; None for any other, which is `decode`'s to read or to refuse."""
    try:
        asked = _BODY.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    find_duplicate_keys(body, len(asked.columns) + 1 + (asked.request_id is not None))
    return read_table(contract, asked.columns, now, asked.request_id, body, form)


def read_table(
    contract: Contract,
    columns: Mapping[str, Given],
    now: datetime | None,
    request_id: str | None,
    body: bytes,
    form: Form,
) -> Ask:
    """Return what is asked; `now` is event time for rows that give none. Raises Refused naming column and row."""
    if request_id is not None and not REQUEST_ID.fullmatch(request_id):
        raise Refused(422, "request_id must match [A-Za-z0-9._:-]{1,128}", field="request_id", limit=128)
    try:
        check_known(contract, columns)
        count = _count(columns)
        said = _times(contract.event_time, columns.get(contract.event_time), count, now)
        return TableAsk(request_id, _rows(contract, columns, count, [time or now for time in said]), body, form, said)
    except Refused as refused:
        refused.request_id = request_id
        raise


def check_known(contract: Contract, names: Iterable[str]) -> None:
    """Raise Refused for a column that the contract does not know."""
    known = {*contract.feature_names, contract.event_time}
    if unknown := set(names) - known:
        name = min(unknown)
        raise Refused(422, f"there is an unknown column {name[:100]!r}", field=name[:100], allowed=sorted(known))


def _count(columns: Mapping[str, Given]) -> int:
    """Return how many rows all columns have."""
    counts = {name: len(column) for name, column in columns.items()}
    first = next(iter(counts), "columns")
    count = counts.get(first, 0)
    for name, other in counts.items():
        if other != count:
            raise Refused(422, f"column {name} has {other} values, column {first} has {count}", field=name)
    if not 1 <= count <= MAX_RECORDS:
        raise Refused(422, f"{count} rows, 1 to {MAX_RECORDS} are allowed", field="columns", limit=MAX_RECORDS)
    return count


def _rows(contract: Contract, columns: Mapping[str, Given], count: int, times: "list[datetime | None]") -> TableRows:
    arrays: dict[str, NDArray[np.float64] | NDArray[np.object_]] = {}
    flagged: list[list[str]] = [[]] * count
    for name in (*contract.numbers, *contract.categories):
        given = columns.get(name, [None] * count)
        feature = contract.features[name]
        if feature.type == "number":
            arrays[name], odd = _numbers(name, given, feature.range or (-np.inf, np.inf))
        else:
            arrays[name], odd = _categories(name, given, frozenset(feature.levels or ()))
        for row in np.flatnonzero(odd).tolist():
            flagged[row] = [*flagged[row], name]
    known = [time for time in times if time is not None]
    return TableRows(
        known,
        _blocks(contract, known),
        {name: arrays[name].tolist() for name in contract.numbers},
        {name: arrays[name].tolist() for name in contract.categories},
        flagged,
        arrays,
    )


def _numbers(name: str, given: Given, limits: tuple[float, float]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return the column with NaN for null and for what is flagged, and where it is flagged."""
    match given:
        case np.ndarray():
            values, odd = given.copy(), ~np.isnan(given)
        case Coded():
            _check_texts(name, given)
            return np.full(len(given), np.nan), given.codes >= 0
        case Moments():
            raise Refused(422, f"column {name} holds times", field=name, allowed=["number"])
        case _:
            values, odd = _from_scalars(name, given)
    sound = (values >= limits[0]) & (values <= limits[1]) & np.isfinite(values)
    values[~sound] = np.nan
    return values, odd & ~sound


def _from_scalars(name: str, given: Sequence[Scalar]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return numbers with NaN for null and for what is none, and where something is."""
    if not {float, int, type(None)}.issuperset(map(type, given)):
        plain = [_number(name, value, row) for row, value in enumerate(given)]
        return np.array(plain, dtype=np.float64), np.array([value is not None for value in given])
    try:
        values = np.array(given, dtype=np.float64)
    except OverflowError:
        values = np.array([_number(name, value, row) for row, value in enumerate(given)], dtype=np.float64)
    return values, ~np.isnan(values)


def _number(name: str, value: Scalar, row: int) -> float | None:
    if type(value) is int:
        return finite(value, row, name)
    check_text(value, row, name)
    return value if type(value) is float else None


def _categories(name: str, given: Given, levels: frozenset[str]) -> tuple[NDArray[np.object_], NDArray[np.bool_]]:
    """Return the column with None for null and for what is flagged, and where it is flagged."""
    match given:
        case np.ndarray():
            return np.full(len(given), None, dtype=object), ~np.isnan(given)
        case Moments():
            raise Refused(422, f"column {name} holds times", field=name, allowed=["category"])
        case Coded():
            _check_texts(name, given)
            values = np.array([*given.values, None], dtype=object)
            known = np.array([*(not levels or value in levels for value in given.values), True], dtype=bool)
            column, odd = values[given.codes], ~known[given.codes]
        case _:
            column, odd = _from_texts(name, given, levels)
    column[odd] = None
    return column, odd


def _from_texts(
    name: str, given: Sequence[Scalar], levels: frozenset[str]
) -> tuple[NDArray[np.object_], NDArray[np.bool_]]:
    column = np.empty(len(given), dtype=object)
    column[:] = given
    if not {str, type(None)}.issuperset(map(type, given)):
        for row, value in enumerate(given):
            _number(name, value, row)
        odd = np.array([value is not None and type(value) is not str for value in given])
        texts = {value for value in given if type(value) is str}
    else:
        odd = np.zeros(len(given), dtype=bool)
        texts = set(given) - {None}  # type: ignore[assignment]
    for value in texts:
        if len(value) > MAX_TEXT or "\0" in value:
            check_text(value, given.index(value), name)
    if levels and (unknown := texts - levels):
        odd |= np.array([value in unknown for value in given])
    return column, odd


def _check_texts(name: str, given: Coded) -> None:
    for code, value in enumerate(given.values):
        if len(value) > MAX_TEXT or "\0" in value:
            for row in np.flatnonzero(given.codes == code).tolist()[:1]:
                check_text(value, row, name)


def _times(name: str, given: Given | None, count: int, now: datetime | None) -> list[datetime | None]:
    """Return the event times that were said, in UTC; None where the clock's counts."""
    match given:
        case None:
            values: Sequence[object] = [None] * count
        case Coded():
            values = np.array([*given.values, None], dtype=object)[given.codes].tolist()
        case Moments():
            values = given.times
        case np.ndarray():
            values = [None if value != value else value for value in given.tolist()]
        case _:
            values = given
    read = {value: _time(name, value, values, now) for value in dict.fromkeys(values)}
    return [read[value] for value in values]


def _time(name: str, value: object, values: Sequence[object], now: datetime | None) -> datetime | None:
    if value is None and now is not None:
        return None
    row = values.index(value)
    if isinstance(value, datetime):
        value = value.isoformat()
    if not isinstance(value, str):
        said = "is missing, and no event time is known yet" if value is None else "is not text"
        raise Refused(422, f"record {row}: {name} {said}", record=row, field=name, allowed=_ISO)
    return read_time(value, f"record {row}: {name}", now, record=row, field=name)


def _blocks(contract: Contract, times: Sequence[datetime]) -> list[str]:
    """Return the block of each time; sorted first, so that the calendar is asked once for each block."""
    of_time: dict[datetime, str] = {}
    block, first, following = "", datetime.max.replace(tzinfo=UTC), datetime.min.replace(tzinfo=UTC)
    for time in sorted(set(times)):
        if not first <= time < following:
            block = block_of(contract, time)
            first, following = block_bounds(contract, block)
        of_time[time] = block
    return [of_time[time] for time in times]
