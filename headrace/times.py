"""PURE: how the columns of somebody's table write times."""

import re
from collections.abc import Sequence
from itertools import product
from typing import Any, Literal, cast, get_args
from zoneinfo import ZoneInfo

import pandas as pd

FORMAT = "ISO8601"
# Seconds, milliseconds … since 1970, as pandas names them.
Unit = Literal["s", "ms", "us", "ns"]
UNITS = get_args(Unit)
_DAYS = ("%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y", "%Y/%m/%d", "%Y.%m.%d")
_WORDED = ("%d %b %Y", "%d-%b-%Y", "%b %d, %Y", "%d %B %Y", "%B %d, %Y")
_CLOCKS = ("", " %H:%M", " %H:%M:%S", " %H:%M:%S.%f", " %I:%M %p", " %I:%M:%S %p", ", %H:%M")
FORMS = tuple("".join(parts) for parts in product((*_DAYS, *_WORDED), _CLOCKS))
_LOOKED_AT_FIRST = 100
# From 1990 to 2100.
_SECONDS = (631_152_000.0, 4_102_444_800.0)


def times_of(column: "pd.Series[Any]", timezone: str, form: str = FORMAT) -> "pd.Series[pd.Timestamp] | None":
    """The column as times in UTC, or None when it holds none; times without an offset are those of `timezone`."""
    if column.dropna().empty or pd.api.types.is_bool_dtype(column):
        return None
    if form == FORMAT and not is_iso(column).all():
        return None
    try:
        if form in UNITS:
            return pd.to_datetime(pd.to_numeric(column), unit=cast(Unit, form), utc=True)
        if has_offsets(column):
            return pd.to_datetime(column, format=form, utc=True)
        times = pd.to_datetime(column, format=form)
        summer = pd.Series(True, index=column.index).to_numpy()
        return times.dt.tz_localize(timezone, ambiguous=summer, nonexistent="shift_forward").dt.tz_convert("UTC")
    except (ValueError, TypeError, OverflowError, AttributeError):
        return None


def forms_of(column: "pd.Series[Any]") -> Sequence[str]:
    """The ways of writing times that every value of a text fits: one, or none, or two where 03/04 may be either.

    >>> forms_of(pd.Series(["03/04/2026", "05/06/2026"])), forms_of(pd.Series(["03/04/2026", "25/06/2026"]))
    (('%d/%m/%Y', '%m/%d/%Y'), ('%d/%m/%Y',))
    """
    known = column.dropna()
    if known.empty or pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column):
        return ()
    if is_iso(column).all():
        return (FORMAT,) if times_of(column, "UTC") is not None else ()
    text = known.map(str)
    few = text.head(_LOOKED_AT_FIRST)
    if not few.str.fullmatch(r"(?=.*\d)[\w .,:/-]{6,30}").all():
        return ()
    found = [form for form in FORMS if _fits(few, form) and _fits(text, form)]
    # May is short and long at once.
    return tuple({form.replace("%B", "%b"): form for form in reversed(found)}.values())[::-1]


def numeric_form(column: "pd.Series[Any]") -> str | None:
    """How a column of numbers may write times: as 20260301, or counted from 1970; None when it cannot be."""
    numbers = pd.to_numeric(column.dropna(), errors="coerce")
    if numbers.empty or numbers.isna().any():
        return None
    if numbers.between(19_000_101, 21_001_231).all() and _fits(numbers.map(lambda cell: f"{cell:.0f}"), "%Y%m%d"):
        return "%Y%m%d"
    scales = zip(UNITS, (1.0, 1e3, 1e6, 1e9), strict=True)
    return next((unit for unit, scale in scales if (numbers / scale).between(*_SECONDS).all()), None)


def is_iso(column: "pd.Series[Any]") -> "pd.Series[bool]":
    """Which values may be ISO 8601: that takes 0415 and 2013 for years; in a table of cases a date has a hyphen."""
    known = column.dropna()
    if pd.api.types.is_datetime64_any_dtype(column):
        return pd.Series(True, index=known.index)
    return known.map(str).str.match(r"\d{4}-\d{2}").astype(bool)


def no_times(known: "pd.Series[Any]", form: str) -> "pd.Series[bool]":
    """Which values are not written in this form."""
    if form in UNITS:
        return pd.to_numeric(known, errors="coerce").isna()
    wrong = pd.to_datetime(known.map(str), format=form, errors="coerce", utc=True).isna()
    return wrong | ~is_iso(known) if form == FORMAT else wrong


def has_offsets(column: "pd.Series[Any]") -> bool:
    """Whether the times say their offset themselves."""
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        return True
    if pd.api.types.is_datetime64_any_dtype(column):
        return False
    return bool(offsets(column).all())


def offsets(column: "pd.Series[Any]") -> "pd.Series[bool]":
    """Which values of a text end with an offset."""
    return column.dropna().map(str).str.contains(r"\d(?:Z|[+-]\d\d:?\d\d)$").astype(bool)


def is_zone(name: str) -> bool:
    """Whether this is the IANA name of a time zone."""
    try:
        ZoneInfo(name)
    except (ValueError, KeyError, OSError):
        return False
    return re.fullmatch(r"[A-Za-z0-9_+/-]+", name) is not None


def _fits(text: "pd.Series[str]", form: str) -> bool:
    return bool(pd.to_datetime(text, format=form, errors="coerce").notna().all())
