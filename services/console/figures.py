"""Asks for numbers in SQL and keeps what was asked: each number of a page can say where it comes from."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import polars as pl
from polars.exceptions import PanicException

Number = int | float | None


@dataclass(frozen=True)
class Figure:
    """A number of a page: the question, the answer, how it is written. `key` names it within the page.

    `command`: what to type to get the same number again.
    """

    key: str
    what: str
    command: str
    value: Number
    text: str

    def __bool__(self) -> bool:
        """Whether there is a number, and it is not zero."""
        return bool(self.value)


# Words and the numbers in them.
Sentence = tuple[str | Figure, ...]


@dataclass(frozen=True)
class Series:
    """Rows of a plot: a block, then numbers."""

    key: str
    what: str
    command: str
    rows: Sequence[tuple[Any, ...]]


@dataclass
class Asker:
    """Answers SQL over frames; the same question is asked once and has one place on the page."""

    frames: Mapping[str, pl.LazyFrame]
    as_of: datetime
    asked: dict[str, Figure | Series] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._context = pl.SQLContext(dict(self.frames))

    def one(self, what: str, sql: str, form: Callable[[Any], str]) -> Figure:
        """The single number that this SELECT answers; `form` writes it, and a null is written as –."""
        if isinstance(known := self.asked.get(sql), Figure):
            return known
        answer = self._answer(sql)
        value = answer.item() if answer.height else None
        figure = Figure(self._key(), what, self._query(sql), value, "–" if value is None else form(value))
        self.asked[sql] = figure
        return figure

    def rows(self, what: str, sql: str) -> Series:
        """Every row that it answers."""
        if isinstance(known := self.asked.get(sql), Series):
            return known
        series = Series(self._key(), what, self._query(sql), self._answer(sql).rows())
        self.asked[sql] = series
        return series

    def told(self, what: str, command: str, value: Number, form: Callable[[Any], str]) -> Figure:
        """A number that SQL cannot answer, and the command that tells it."""
        figure = Figure(self._key(), what, command, value, "–" if value is None else form(value))
        self.asked[f"{command} {what}"] = figure
        return figure

    def _answer(self, sql: str) -> pl.DataFrame:
        try:
            return self._context.execute(sql).collect()
        except PanicException as error:
            # It is no Exception, and would end whatever task asks.
            raise RuntimeError(f"the engine cannot answer {sql[:500]}: {error}") from None

    def _query(self, sql: str) -> str:
        return f'headrace query --as-of {self.as_of.astimezone(UTC).isoformat().replace("+00:00", "Z")} "{sql}"'

    def _key(self) -> str:
        return f"q{len(self.asked) + 1}"
