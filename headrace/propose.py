"""PURE: proposes a use case for somebody's table: label, features, costs, days to hold out, each with its reason."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

import pandas as pd

from headrace.columns import (
    Input,
    LeftOut,
    Names,
    look_at,
    numbers_of,
    proposed_range,
    signed_number,
    sorted_by_count,
    text_of,
)
from headrace.errors import CommandError
from headrace.times import FORMAT, UNITS, forms_of, has_offsets, is_iso, no_times, numeric_form, offsets, times_of

Task = Literal["binary", "multiclass", "regression"]
USUAL_LABELS = ("label", "target", "outcome", "class", "y")
TRUTHS = ("1", "1.0", "true", "yes", "y", "t")
UNTRUTHS = ("0", "0.0", "false", "no", "n", "f")
MOST_NUMERIC_CLASSES = 20
MOST_CLASSES = 20
FEWEST_OF_A_CLASS = 10
MOST_FEATURES = 1_000
FEWEST_DAYS = 6
FEWEST_HELD_OUT = 20
WANTED_HELD_OUT = 200


class ProposalError(CommandError):
    """Nothing can be proposed; the message says which option would help."""


@dataclass(frozen=True)
class Choices:
    """What the user said; None is left to the data."""

    label: str
    time: str
    known_at: str | None = None
    positive: str | None = None
    task: Task | None = None
    time_format: str = FORMAT
    timezone: str = "UTC"
    categories: tuple[str, ...] = ()


@dataclass(frozen=True)
class Proposal:
    """Everything that the files of a use case need to say."""

    rows: int
    skipped: int
    choices: Choices
    event_time: str
    offsets: bool
    label: str
    task: Task
    classes: dict[str, str]
    shares: dict[str, float]
    label_range: tuple[float, float]
    usual: float
    inputs: tuple[Input, ...]
    left_out: tuple[LeftOut, ...]
    days: int
    holdout_days: int
    mature_days: int
    first: pd.Timestamp
    last: pd.Timestamp


def time_columns(frame: pd.DataFrame, timezone: str, form: str) -> list[str]:
    """The columns that hold times; numbers may only be some, so they are taken for times where it is said."""
    if form == FORMAT:
        return [str(name) for name in frame.columns if forms_of(frame[name])]
    if form in UNITS:
        return [str(name) for name in frame.columns if numeric_form(frame[name]) == form]
    return [str(name) for name in frame.columns if times_of(frame[name], timezone, form) is not None]


def usual_label(frame: pd.DataFrame) -> str | None:
    """A column with a name that labels usually have."""
    by_name = {str(name).lower(): str(name) for name in frame.columns}
    return next((by_name[name] for name in USUAL_LABELS if name in by_name), None)


def propose(frame: pd.DataFrame, choices: Choices, now: datetime) -> Proposal:
    """Look at every column once; rows without a time, in the future or after the last outcome count for nothing.

    Raises ProposalError.
    """
    roles = (("--label", choices.label), ("--time", choices.time), ("--known-at", choices.known_at))
    for option, name in (*roles, *(("--category", name) for name in choices.categories)):
        if name is not None and name not in frame.columns:
            raise ProposalError(f"there is no column {name!r} for {option}; the columns are {_listed(frame.columns)}")
    choices = replace(choices, time_format=_form(frame[choices.time], choices.time_format))
    times = _times(frame, choices.time, choices)
    # As the source that is written: a training asks for what was before it.
    past = times < pd.Timestamp(now)
    past &= times <= times[past & text_of(frame[choices.label]).notna()].max()
    skipped, frame, times = int((~past).sum()), frame[past].reset_index(drop=True), times[past].reset_index(drop=True)
    if frame.empty:
        raise ProposalError(
            f"no row has an outcome in column {choices.label!r} and a time in the past in column {choices.time!r}: "
            "are the columns the right ones, and the times read as they are meant?"
        )
    label = frame[choices.label]
    task = choices.task or _task_of(label)
    names = Names({"known_at"})
    event_time, label_name = names.of(choices.time), names.of(choices.label)
    classes = {} if task == "regression" else _classes(label, label_name, task, choices.positive)
    if choices.known_at and has_offsets(frame[choices.known_at]) != has_offsets(frame[choices.time]):
        raise ProposalError(f"of {choices.time!r} and {choices.known_at!r} only one says its offset; write both alike")
    values = None if classes else numbers_of(label)
    if values is None and not classes:
        raise ProposalError(
            f"column {choices.label!r} holds text, as {str(label.dropna().iloc[0])[:40]!r}, and a regression needs "
            "numbers as 1234.5; for outcomes in words say --task binary or multiclass"
        )
    known: pd.Series[Any] = text_of(label).map(classes) if values is None else values
    inputs, left_out = _inputs(frame, choices, names, known)
    days = times.dt.tz_convert(choices.timezone).dt.date
    return Proposal(
        rows=len(frame),
        skipped=skipped,
        choices=choices,
        event_time=event_time,
        offsets=has_offsets(frame[choices.time]),
        label=label_name,
        task=task,
        classes=classes,
        shares={name: float((known == name).sum() / known.notna().sum()) for name in classes.values()},
        label_range=(0.0, 1.0) if values is None else proposed_range(values),
        usual=0.0 if values is None else float(values.median()),
        inputs=inputs,
        left_out=left_out,
        days=days.nunique(),
        holdout_days=_holdout(days[known.notna()]),
        mature_days=_mature_days(frame, times, choices),
        first=times.min(),
        last=times.max(),
    )


def _form(column: "pd.Series[Any]", said: str) -> str:
    """How the times are written: as the user said, or as every value shows."""
    if said != FORMAT:
        return said
    found = forms_of(column)
    if len(found) > 1:
        ways = " or ".join(f"--time-format {form!r}" for form in found)
        example = column.dropna().iloc[0]
        raise ProposalError(f"column {column.name!r} holds {example!r}: which is the day, which the month? Say {ways}")
    return found[0] if found else numeric_form(column) or FORMAT


def _times(frame: pd.DataFrame, column: str, choices: Choices) -> "pd.Series[pd.Timestamp]":
    times = times_of(frame[column], choices.timezone, choices.time_format)
    if times is None:
        raise ProposalError(_no_times(frame[column], choices))
    return times


def _no_times(column: "pd.Series[Any]", choices: Choices) -> str:
    """Which value is no time, in which row."""
    known, form = column.dropna(), choices.time_format
    if known.empty:
        return f"column {column.name!r} has no value: name the one that says when"
    if form == FORMAT and is_iso(column).all() and 0 < offsets(column).sum() < len(known):
        return f"some times of column {column.name!r} say their offset and some do not; write all alike"
    first = int(no_times(known, form).to_numpy().argmax())
    written = "times as 2013-03-01 06:00" if form == FORMAT else f"times as --time-format {form!r} says"
    return (
        f"column {column.name!r} does not hold {written}: row {known.index[first] + 1} has {known.iloc[first]!r}. "
        "Repair the row, or say how they are written: --time-format '%d.%m.%Y %H:%M'"
    )


def _task_of(label: "pd.Series[Any]") -> Task:
    distinct, numbers = int(text_of(label).nunique()), numbers_of(label)
    if distinct < 2:
        raise ProposalError(f"column {label.name!r} has {distinct} value: there is nothing to learn from it")
    if distinct == 2:
        return "binary"
    return "regression" if numbers is not None and distinct > MOST_NUMERIC_CLASSES else "multiclass"


def _classes(label: "pd.Series[Any]", label_name: str, task: Task, positive: str | None) -> dict[str, str]:
    """Value in the data -> class in the contract, in the contract's order."""
    counts = {str(value): int(count) for value, count in text_of(label).value_counts().items()}
    wanted = 2 if task == "binary" else MOST_CLASSES
    if len(counts) > wanted:
        raise ProposalError(f"column {label.name!r} {_too_many(label, len(counts), task, wanted)}")
    if rare := next((value for value, count in counts.items() if count < FEWEST_OF_A_CLASS), None):
        raise ProposalError(
            f"column {label.name!r} has {counts[rare]} rows with {rare!r}; at least {FEWEST_OF_A_CLASS} of each "
            "outcome are needed to learn from: bring more cases, or leave those out"
        )
    if positive is not None and positive not in counts:
        raise ProposalError(f"--positive {positive!r} is no value of {label.name!r}; those are {_listed(counts)}")
    order = sorted_by_count(counts, positive, TRUTHS) if task == "binary" else sorted(counts)
    if task == "binary" and {order[0].lower(), order[1].lower()} <= {*TRUTHS, *UNTRUTHS}:
        no, yes = order
        return {no: f"not_{label_name}"[:64], yes: label_name}
    # A section of a decision is named `capacity`.
    names = Names({"capacity"})
    return {value: names.of(value if value[:1].isalpha() else f"{label_name}_{value}") for value in order}


def _too_many(label: "pd.Series[Any]", distinct: int, task: Task, most: int) -> str:
    if example := signed_number(label.dropna()):
        return f"holds numbers with signs, as {example!r}: write them as 1234.5"
    more = "; --task regression is for numbers" if numbers_of(label) is not None else ""
    return f"has {distinct} values; a {task} label has at most {most}, since each gets a decision of its own{more}"


def _inputs(
    frame: pd.DataFrame, choices: Choices, names: Names, outcome: "pd.Series[Any]"
) -> tuple[tuple[Input, ...], tuple[LeftOut, ...]]:
    roles = (choices.label, choices.time, choices.known_at)
    # Told to be codes, numbers are words.
    columns = {name: text_of(column) if name in choices.categories else column for name, column in frame.items()}
    found = [
        look_at(column, names, outcome, as_text=name in choices.categories)
        for name, column in columns.items()
        if name not in roles
    ]
    inputs = tuple(one for one in found if isinstance(one, Input))
    left_out = tuple(one for one in found if isinstance(one, LeftOut))
    if not inputs:
        told = "; ".join(f"{one.column} {one.reason}" for one in left_out)
        raise ProposalError(f"no column can be a feature: {told or 'there are only label and time'}")
    if len(inputs) > MOST_FEATURES:
        raise ProposalError(
            f"{len(inputs):,} columns can be features; a contract has at most {MOST_FEATURES:,}: drop some"
        )
    return inputs, left_out


def _holdout(days: "pd.Series[Any]") -> int:
    """About a fifth of the days, at most 14; more where a day has few rows."""
    span = (days.max() - days.min()).days + 1 if len(days) else 0
    chosen = max(1, min(14, span // 5))
    newest_first = days.value_counts().sort_index(ascending=False)
    held_out = 0
    # Day by day that has rows: a single row of 1900 makes the span long.
    for day, rows in newest_first.items():
        age = (days.max() - day).days
        if age >= chosen and (held_out >= WANTED_HELD_OUT or age >= span * 2 // 5):
            break
        chosen, held_out = max(chosen, age + 1), held_out + rows
    trained = days[days <= days.max() - pd.Timedelta(days=chosen)] if span else days
    if trained.nunique() < FEWEST_DAYS - 2 or held_out < FEWEST_HELD_OUT:
        raise ProposalError(
            f"the rows with an outcome lie on {days.nunique()} days; at least {FEWEST_DAYS} are needed, the last of "
            f"them with {FEWEST_HELD_OUT} rows, so that a model is judged on days that it never saw"
        )
    return chosen


def _mature_days(frame: pd.DataFrame, times: "pd.Series[pd.Timestamp]", choices: Choices) -> int:
    """After how many days nearly every outcome is known; 2 where the data do not say."""
    if choices.known_at is None:
        return 2
    delay = (_times(frame, choices.known_at, choices) - times).dt.total_seconds().dropna()
    return max(1, int(delay.quantile(0.95) // 86_400) + 1)


def miss_and_act(share: float) -> tuple[Decimal, Decimal]:
    """Assumed costs of a missed and of an acted case: where acting on everybody costs as much as on nobody.

    There a model helps most, so that a first release does not fail for want of true numbers.

    >>> miss_and_act(0.227)
    (Decimal('10.00'), Decimal('2.30'))
    """
    return Decimal("10.00"), max(Decimal("0.10"), round(Decimal(share) * 10, 1)).quantize(Decimal("0.01"))


def _listed(names: Any, most: int = 30) -> str:
    listed: Sequence[str] = [str(name) for name in names]
    return ", ".join(listed[:most]) + (", …" if len(listed) > most else "")
